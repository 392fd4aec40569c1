// Molecules with their values as cards.

import { make } from "./server.js";

export function show(value) {
  if (typeof value !== "number") return value ?? "";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

export function makeCard(card, ...before) {
  const drawing = new DOMParser().parseFromString(card.drawing, "image/svg+xml").documentElement;
  const values = Object.entries(card.values).filter(([, value]) => value !== null && value !== "");
  const list = make("dl", {}, ...values.flatMap(([name, value]) => [
    make("dt", { textContent: name.replaceAll("_", " ") }), make("dd", { textContent: show(value) }),
  ]));
  return make("div", { className: "card", title: card.smiles }, ...before, drawing, make("div", { textContent: card.smiles }), list);
}

export function showCards(grid, cards) {
  grid.replaceChildren(...cards.map((card) => makeCard(card)));
}
