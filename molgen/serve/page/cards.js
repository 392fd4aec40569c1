// Molecules with their values as cards.

import { makeLikeButtons } from "./likes.js";
import { make } from "./server.js";

export function show(value) {
  if (typeof value !== "number") return value ?? "";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

// `liked:FILE` and `parent_similarity` as words.
export function wording(name) {
  return name.replace(/^liked:.*/, "liked").replaceAll("_", " ");
}

export function countMolecules(cards) {
  return cards.length === 1 ? "1 molecule." : `${cards.length} molecules.`;
}

export function makeCard(card, ...before) {
  const drawing = new DOMParser().parseFromString(card.drawing, "image/svg+xml").documentElement;
  const values = Object.entries(card.values).filter(([, value]) => value !== null && value !== "");
  const list = make("dl", {}, ...values.flatMap(([name, value]) => [
    make("dt", { textContent: wording(name) }), make("dd", { textContent: show(value) }),
  ]));
  const head = make("div", { className: "head" }, ...before, makeLikeButtons(card.smiles));
  return make("div", { className: "card", title: card.smiles }, head, drawing, make("div", { textContent: card.smiles }), list);
}

export function showCards(grid, cards) {
  grid.replaceChildren(...cards.map((card) => makeCard(card)));
}
