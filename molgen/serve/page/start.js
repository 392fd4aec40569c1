// Starts the page.

import { startCampaigns } from "./campaigns.js";
import { startEditor } from "./editor.js";
import { startLikes } from "./likes.js";
import { startMap } from "./map.js";
import { startMolecule, startLines } from "./molecule.js";
import { startProjects } from "./projects.js";
import { startPolling } from "./state.js";

const buttons = document.querySelectorAll("nav button");

function showView(name) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  for (const section of document.querySelectorAll("section")) {
    section.hidden = section.dataset.view !== name || section.dataset.filled === "false";
  }
}

for (const button of buttons) button.addEventListener("click", () => showView(button.dataset.view));
startCampaigns();
startMolecule();
startLines();
startMap();
startLikes();
startEditor();
startProjects();
startPolling();
