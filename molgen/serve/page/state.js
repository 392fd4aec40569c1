// What the server has: files, campaigns and maps, asked again and again, so that every browser shows the same.

import { ask, make } from "./server.js";

const POLL_MS = 1000;
const views = [];
let last = "";

// Calls a function with each new state.
export function watchState(show) {
  views.push(show);
}

export async function refresh() {
  const state = await ask("state");
  const text = JSON.stringify(state);
  if (text === last) return; // an unchanged list keeps its buttons, and what is focused
  last = text;
  for (const show of views) show(state);
}

export function startPolling() {
  const poll = () => refresh().catch(() => {}).finally(() => setTimeout(poll, POLL_MS));
  poll();
}

// Gives a select or a datalist the names as options, after one for no name if it has a text, and keeps what is chosen.
export function offer(field, names, none = "") {
  const before = field.value;
  field.replaceChildren(...(none ? [make("option", { value: "", textContent: none })] : []),
    ...names.map((name) => make("option", { value: name, textContent: name })));
  if (names.includes(before)) field.value = before;
}
