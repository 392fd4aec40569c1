// The candidates of one campaign: filter, sort, select, export.

import { act, ask, make, tellCommand } from "./server.js";
import { countMolecules, makeCard, wording } from "./cards.js";

const TOP = 100;
const section = document.getElementById("candidates");
const part = (name) => section.querySelector(`.${name}`);
let campaign = "";
let shown = []; // { card, element, box }

export function showCandidates(name, button) {
  Object.assign(section, { hidden: false }).dataset.filled = true;
  section.querySelector("h2").textContent = `Candidates of ${name}`;
  return act(button, part("note"), async (isLast) => {
    const answer = await ask("candidates", { name, top: TOP });
    if (!isLast()) return;
    campaign = name;
    fill(answer.cards);
    tellCommand(part("note"), countMolecules(answer.cards), answer.command);
    section.scrollIntoView({ behavior: "smooth" });
  });
}

function fill(cards) {
  part("grid").replaceChildren();
  shown = cards.map((card) => {
    const box = make("input", { type: "checkbox" });
    const element = makeCard(card, make("label", { className: "name" }, box, card.id));
    return { card, element, box };
  });
  const names = Object.keys(cards[0]?.values ?? {});
  const numeric = names.filter((name) => cards.some((card) => typeof card.values[name] === "number"));
  part("bound").replaceChildren(...numeric.map((name) => make("option", { value: name, textContent: wording(name) })));
  part("sort").replaceChildren(make("option", { value: "", textContent: "rank" }),
    ...numeric.flatMap((name) => [
      make("option", { value: `+${name}`, textContent: `${wording(name)}, ascending` }),
      make("option", { value: `-${name}`, textContent: `${wording(name)}, descending` }),
    ]));
  update();
}

function isKept({ card, element }) {
  const [low, high] = [part("low").value, part("high").value];
  if (!element.textContent.toLowerCase().includes(part("text").value.trim().toLowerCase())) return false;
  if (low === "" && high === "") return true;
  const value = card.values[part("bound").value];
  return typeof value === "number" && (low === "" || value >= Number(low)) && (high === "" || value <= Number(high));
}

function order(a, b) {
  const [sign, name] = [part("sort").value[0] === "-" ? -1 : 1, part("sort").value.slice(1)];
  const [x, y] = [a.card.values[name] ?? NaN, b.card.values[name] ?? NaN];
  return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) : sign * (x - y);
}

function update() {
  for (const each of shown) {
    each.element.hidden = !isKept(each);
    each.element.classList.toggle("chosen", each.box.checked);
  }
  const sorted = part("sort").value ? [...shown].sort(order) : shown;
  part("grid").append(...sorted.map((each) => each.element));
  const n = shown.filter((each) => each.box.checked).length;
  part("count").textContent = `${shown.filter(isKept).length} of ${shown.length} shown, ${n} selected`;
  part("export").disabled = n === 0;
}

section.addEventListener("input", update);
part("all").addEventListener("click", () => {
  for (const each of shown) each.box.checked = isKept(each);
  update();
});
part("export").addEventListener("click", () => act(part("export"), part("note"), async () => {
  const ids = shown.filter((each) => each.box.checked).map((each) => each.card.id);
  const answer = await ask("export", { name: campaign, ids });
  tellCommand(part("note"), `${ids.length} molecules written.`, answer.command);
  const link = make("a", { href: `/api/exports/${encodeURIComponent(answer.file)}`, download: answer.file, textContent: answer.file });
  part("note").append(" ", link);
  link.click();
}));
