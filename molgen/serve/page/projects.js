// Projects: measurements, rounds of proposals, results beside their forecasts.

import { act, ask, button, make, tellCommand } from "./server.js";
import { offer, refresh, watchState } from "./state.js";
import { makeCard } from "./cards.js";

const FEW = 5; // rejected lines that are told
const byId = (id) => document.getElementById(id);
const note = byId("projects-note"), section = byId("project");
let opened = "";

function fieldsOf(form) {
  const fields = Object.fromEntries(new FormData(form));
  return { ...fields, to_p: "to_p" in fields, n: Number(fields.n) };
}

function tellCurated(where, what, answer) {
  const left = answer.rejected.slice(0, FEW).join("\n"), more = answer.rejected.length - FEW;
  const rejected = left && `\nLeft out:\n${left}${more > 0 ? `\nand ${more} more` : ""}`;
  tellCommand(where, `${what}: ${answer.n_compounds} compounds of ${answer.n_rows} rows.${rejected}\n`, answer.command);
}

function makeTable({ title, header, rows }) {
  const line = (kind, cells) => make("tr", {}, ...cells.map((text) => make(kind, { textContent: text })));
  return make("div", {}, make("h3", { textContent: title }), make("table", {}, line("th", header), ...rows.map((row) => line("td", row))));
}

function makeGrid({ title, cards }) {
  const shown = cards.map((card) => makeCard(card, make("span", { className: "name", textContent: card.id })));
  return make("div", {}, make("h3", { textContent: title }), make("div", { className: "grid" }, ...shown));
}

function linkRounds(n) {
  return Array.from({ length: n }, (_, i) => make("a", {
    href: `/api/proposals/${encodeURIComponent(opened)}/${i + 1}`, download: "", textContent: `Proposals of round ${i + 1} (CSV)`,
  }));
}

async function show(name) {
  const answer = await ask("project", { name });
  opened = name;
  Object.assign(section, { hidden: false }).dataset.filled = true;
  section.querySelector("h2").textContent = name;
  byId("figures").textContent = [answer.title, ...answer.figures.map(([what, value]) => `${what}: ${value}`)].join(" · ");
  byId("rounds").replaceChildren(...linkRounds(Number(answer.figures[0][1])));
  byId("sections").replaceChildren(...answer.tables.map(makeTable), ...answer.grids.map(makeGrid));
  tellCommand(byId("project-note"), "", answer.command);
}

function row(state) {
  const parts = [make("strong", { textContent: state.name })];
  if (state.is_proposing) parts.push(make("span", { textContent: "proposing" }), make("progress", { value: state.share }));
  parts.push(button("Open", (pressed) => act(pressed, note, async () => {
    await show(state.name);
    note.replaceChildren();
    section.scrollIntoView({ behavior: "smooth" });
  })));
  if (state.message) parts.push(make("span", { className: "wrong", textContent: state.message }));
  const made = make("div", { className: "line" }, ...parts);
  made.dataset.project = state.name;
  return made;
}

function listen(id, where, work) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act(event.submitter, where, async () => {
      await work(fieldsOf(byId(id)));
      await refresh();
    });
  });
}

export function startProjects() {
  const told = byId("told");
  listen("new-project", note, async (fields) => {
    tellCurated(note, fields.name, await ask("new_project", fields));
    await show(fields.name);
  });
  listen("propose", told, async ({ n, explore, library }) => {
    tellCommand(told, `A round of ${n} is asked for.`, (await ask("propose", { name: opened, n, explore, library })).command);
  });
  listen("tell", told, async (fields) => {
    tellCurated(told, "Results", await ask("tell", { ...fields, name: opened }));
    await show(opened);
  });
  let before = new Set(); // names of projects that were proposing
  watchState((state) => {
    if (state.projects.length) byId("projects").replaceChildren(...state.projects.map(row));
    offer(byId("propose").elements.library, state.files, "new molecules");
    const now = new Set(state.projects.filter((each) => each.is_proposing).map((each) => each.name));
    if (before.has(opened) && !now.has(opened)) show(opened);
    before = now;
  });
}
