// Maps of files: drawn by the server, opened in a frame, and what is selected in it as cards.

import { act, ask, button, make, splitList, tellCommand } from "./server.js";
import { refresh, watchState } from "./state.js";
import { countMolecules, showCards } from "./cards.js";

const MOST_CARDS = 100;
const byId = (id) => document.getElementById(id);
const note = byId("maps-note"), frame = byId("frame");
let selected = [];

function open(name) {
  Object.assign(byId("map"), { hidden: false }).dataset.filled = true;
  byId("map").querySelector("h2").textContent = `Map ${name}`;
  frame.src = `/maps/${encodeURIComponent(name)}`;
  showSelected([]);
  byId("map").scrollIntoView({ behavior: "smooth" });
}

function stop(name) {
  return (pressed) => act(pressed, note, async () => {
    const answer = await ask("stop_drawing", { name });
    tellCommand(note, `${name} is stopped.`, answer.command);
    await refresh();
  });
}

function row(state) {
  const parts = [make("strong", { textContent: state.name }), make("span", { className: "state", textContent: state.state })];
  if (state.state === "running") {
    parts.push(make("progress", { value: state.share }));
    parts.push(make("span", { className: "soft", textContent: `${state.stage}, ${Math.round(100 * state.share)} %` }));
    parts.push(button("Stop", stop(state.name)));
  }
  if (state.state === "finished") parts.push(button("Open", () => open(state.name)));
  if (state.message) parts.push(make("span", { className: "wrong", textContent: state.message }));
  const made = make("div", { className: "line" }, ...parts);
  made.dataset.map = state.name;
  return made;
}

function showSelected(smiles) {
  selected = smiles;
  const n = Math.min(MOST_CARDS, smiles.length);
  byId("show-selected").disabled = !n;
  byId("show-selected").textContent = n < smiles.length ? `Show ${n} of ${smiles.length} selected` : "Show the selected";
}

export function startMap() {
  byId("draw").addEventListener("submit", (event) => {
    event.preventDefault();
    const { file, method, colours } = Object.fromEntries(new FormData(byId("draw")));
    act(event.submitter, note, async () => {
      const answer = await ask("draw", { file, method, colours: splitList(colours) });
      tellCommand(note, `${answer.name} is being drawn.`, answer.command);
      await refresh();
    });
  });
  window.addEventListener("message", (event) => {
    if (event.source === frame.contentWindow && Array.isArray(event.data?.selected)) showSelected(event.data.selected);
  });
  byId("show-selected").addEventListener("click", () => act(byId("show-selected"), byId("selected-note"), async (isLast) => {
    const answer = await ask("cards", { smiles: selected.slice(0, MOST_CARDS) });
    if (!isLast()) return;
    tellCommand(byId("selected-note"), countMolecules(answer.cards), answer.command);
    showCards(byId("selected"), answer.cards);
  }));
  watchState((state) => state.maps.length && byId("maps").replaceChildren(...state.maps.map(row)));
}
