// One molecule: its values, analogues and neighbours; and molecules on a line: between two, or along a direction.

import { act, ask, tellCommand } from "./server.js";
import { offer, refresh, watchState } from "./state.js";
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

// A form whose molecules lie on a line: the first one, the one at the slider and the last one are shown.
function startLine(id, work, findPlace) {
  const form = document.getElementById(id);
  const slider = form.parentElement.querySelector(".slider");
  const grid = form.parentElement.querySelector(".grid");
  let cards = [];
  const turn = () => showCards(grid, [cards[0], cards[slider.valueAsNumber], cards.at(-1)]);
  startForm(id, work);
  form.addEventListener("answer", (event) => {
    cards = event.detail;
    Object.assign(slider, { hidden: false, max: cards.length - 1, value: findPlace(cards) });
    turn();
  });
  slider.addEventListener("input", turn);
}

function startLearning() {
  const form = document.getElementById("learn"), note = document.getElementById("learn-note");
  watchState((state) => offer(document.getElementById("directions"), state.directions));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(event.submitter, note, async () => {
      const answer = await ask("learn_direction", Object.fromEntries(new FormData(form)));
      document.getElementById("walk").elements.along.value = answer.direction;
      tellCommand(note, `${answer.direction} is learned.`, answer.command);
      await refresh();
    });
  });
}

export function startLines() {
  startLearning();
  startLine("way", (fields) => ask("path", { ...fields, steps: Number(fields.steps) }), (cards) => cards.length >> 1);
  startLine("walk", (fields) => ask("walk", { ...fields, steps: Number(fields.steps) }),
    (cards) => cards.findIndex((card) => card.values.t === 0));
}
