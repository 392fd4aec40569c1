// Starts the page.

import { startCampaigns } from "./campaigns.js";
import { startMolecule, startPath } from "./molecule.js";

const buttons = document.querySelectorAll("nav button");

function showView(name) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  for (const section of document.querySelectorAll("section")) {
    section.hidden = section.dataset.view !== name || (section.id === "candidates" && !section.querySelector(".card"));
  }
}

for (const button of buttons) button.addEventListener("click", () => showView(button.dataset.view));
startCampaigns();
startMolecule();
startPath();
