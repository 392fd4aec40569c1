// Files and campaigns: upload, start, watch, stop, resume.

import { act, ask, button, make, splitList, tell, tellCommand, upload } from "./server.js";
import { offer, refresh, watchState } from "./state.js";
import { show } from "./cards.js";
import { showCandidates } from "./candidates.js";

const LISTS = ["maximize", "minimize", "constraint", "start"];
const byId = (id) => document.getElementById(id);

function readForm(form) {
  const fields = Object.fromEntries(new FormData(form));
  for (const name of LISTS) fields[name] = splitList(fields[name]);
  for (const name of ["budget", "seed"]) fields[name] = Number(fields[name]);
  return fields;
}

function curve(state) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 150 36");
  const totals = state.best.map(([, total]) => total);
  const [low, high] = [Math.min(...totals), Math.max(...totals)];
  const x = (call) => (150 * call) / Math.max(state.budget, 1);
  const y = (total) => 33 - (30 * (total - low)) / (high - low || 1);
  const points = state.best.flatMap(([call, total], i) => [
    ...(i ? [`${x(call)},${y(totals[i - 1])}`] : []), `${x(call)},${y(total)}`,
  ]);
  if (points.length) points.push(`${x(state.n_scored)},${y(high)}`);
  const line = document.createElementNS(ns, "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

function command(action, name) {
  return (pressed) => act(pressed, byId("campaigns-note"), async () => {
    const answer = await ask(action, { name });
    tellCommand(byId("campaigns-note"), `${name}: ${action}.`, answer.command);
    await refresh();
  });
}

function row(state) {
  const best = state.best.at(-1);
  const parts = [
    make("strong", { textContent: state.name }),
    make("span", { className: "state", textContent: state.state }),
    make("progress", { max: state.budget || 1, value: state.n_scored }),
    make("span", { className: "soft", textContent: `${state.n_scored} of ${state.budget}` }),
    curve(state),
    make("span", { textContent: best ? `best ${show(best[1])}` : "" }),
  ];
  if (state.state === "running") parts.push(button("Stop", command("stop", state.name)));
  if (state.state === "stopped") parts.push(button("Resume", command("resume", state.name)));
  if (state.best.length) parts.push(button("Candidates", (pressed) => showCandidates(state.name, pressed)));
  if (state.message) parts.push(make("span", { className: "wrong", textContent: state.message }));
  const made = make("div", { className: "campaign" }, ...parts);
  made.dataset.name = state.name;
  return made;
}

function showState(state) {
  byId("folder").textContent = state.folder;
  byId("files").replaceChildren(...state.files.map((name) => make("li", { textContent: name })));
  offer(byId("starts"), state.files);
  for (const field of document.querySelectorAll("select[name=file]")) offer(field, state.files);
  if (state.campaigns.length) byId("campaigns").replaceChildren(...state.campaigns.map(row));
}

export function startCampaigns() {
  byId("upload").addEventListener("change", () => act(byId("upload"), byId("uploaded"), async () => {
    const answer = await upload(byId("upload").files[0]);
    const rejected = Object.entries(answer.rejected).map(([reason, n]) => `, ${n} x ${reason}`);
    tell(byId("uploaded"), `${answer.name}: ${answer.n_kept} molecules${rejected.join("")}`);
    byId("new").elements.start.value = answer.name;
    await refresh();
  }));
  byId("new").addEventListener("submit", (event) => {
    event.preventDefault();
    const note = byId("new").parentElement.querySelector(".note");
    act(event.submitter, note, async () => {
      const answer = await ask("start", readForm(byId("new")));
      tellCommand(note, "Started.", answer.command);
      await refresh();
    });
  });
  watchState(showState);
}
