// One molecule: its values, analogues and neighbours; and the path between two.

import { act, ask, tellCommand } from "./server.js";
import { countMolecules, showCards } from "./cards.js";

function startForm(id, work) {
  const form = document.getElementById(id);
  const part = (name) => form.parentElement.querySelector(`.${name}`);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    act(event.submitter, part("note"), async (isLast) => {
      const answer = await work(fields, event.submitter.value);
      if (!isLast()) return;
      tellCommand(part("note"), countMolecules(answer.cards), answer.command);
      showCards(part("grid"), answer.cards);
      form.dispatchEvent(new CustomEvent("answer", { detail: answer.cards }));
    });
  });
}

export function startMolecule() {
  startForm("ask", (fields, action) => ask(action, { ...fields, n: Number(fields.n) }));
}

export function startPath() {
  const form = document.getElementById("way");
  const slider = document.getElementById("slider");
  const grid = form.parentElement.querySelector(".grid");
  let cards = [];
  const turn = () => showCards(grid, cards.slice(slider.valueAsNumber, slider.valueAsNumber + 1));
  startForm("way", (fields) => ask("path", { ...fields, steps: Number(fields.steps) }));
  form.addEventListener("answer", (event) => {
    cards = event.detail;
    Object.assign(slider, { hidden: false, max: cards.length - 1, value: 0 });
    turn();
  });
  slider.addEventListener("input", turn);
}
