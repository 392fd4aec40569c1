// Draws the molecule of the form: OpenChemLib's editor, which is loaded when it is first opened.
// The server turns SMILES into molfiles and back, since these keep all stereochemistry.

import { ask, tell } from "./server.js";

const REST_MS = 300; // after the last change
const form = document.getElementById("ask"), smiles = form.elements.smiles;
const place = document.getElementById("editor"), toggle = document.getElementById("sketch");
const note = form.parentElement.querySelector(".note");
let library = null;
let editor = null;
let rest = 0;
let latest = 0;

// Late answers are dropped.
async function exchange(action, body, show) {
  const number = ++latest;
  try {
    const answer = await ask(action, body);
    if (number === latest) show(answer);
  } catch (error) {
    if (number === latest) tell(note, error.message, true);
  }
}

function showMolecule() {
  if (place.hidden || !smiles.value.trim()) return;
  exchange("sketch", { smiles: smiles.value }, ({ molfile }) => editor.setMolecule(library.Molecule.fromMolfile(molfile)));
}

function readMolecule() {
  exchange("read_sketch", { molfile: editor.getMolecule().toMolfile() }, (answer) => {
    smiles.value = answer.smiles;
    form.requestSubmit(form.querySelector("[value=molecule]"));
  });
}

async function open() {
  place.hidden = !place.hidden;
  toggle.setAttribute("aria-pressed", String(!place.hidden));
  library ??= await import("./openchemlib.js");
  if (!editor) {
    editor = new library.CanvasEditor(place);
    editor.setOnChangeListener(({ type, isUserEvent }) => {
      if (!isUserEvent || type !== "molecule") return;
      clearTimeout(rest);
      rest = setTimeout(readMolecule, REST_MS);
    });
  }
  showMolecule();
}

export function startEditor() {
  toggle.addEventListener("click", open);
  smiles.addEventListener("change", showMolecule);
}
