/* ---- the molecule under the pointer ---- */

function numberText(value) {
  if (Number.isNaN(value)) return "\u2013";
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 }).replace("-", "\u2212");
}

function nameOf(i) {
  return molecules.header.names[i] || `Molecule ${(i + 1).toLocaleString("en")}`;
}

function hover(i, isSpoken = false) {
  if (!molecules) return;
  if (i !== hovered) {
    hovered = i;
    refresh(false);
  }
  card.hidden = i < 0;
  if (i < 0) return;
  card.querySelector(".name").textContent = nameOf(i);
  card.querySelector(".smiles").textContent = molecules.header.smiles[i];
  card.querySelector("dl").replaceChildren(...map.header.columns.slice(0, 8).flatMap((each, c) => [
    textual("dt", each.name), textual("dd", numberText(map.values[c * tint.length + i])),
  ]));
  const [x, y] = onScreen(i);
  drawStructure(card.querySelector("canvas"), i);
  const width = card.offsetWidth, height = card.offsetHeight;
  const left = x + 18 + width < view.width - 8 ? x + 18 : Math.max(8, x - 18 - width);
  card.style.left = `${left}px`;
  card.style.top = `${Math.max(8, Math.min(view.height - height - 8, y - height / 3))}px`;
  if (isSpoken) byId("live").textContent = `${nameOf(i)}: ${molecules.header.smiles[i]}`;
}

function textual(tag, text, kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function reveal(i) {
  const [x, y] = onScreen(i);
  if (x < 20 || y < 20 || x > view.width - 20 || y > view.height - 20) {
    view.x = map.xy[2 * i];
    view.y = map.xy[2 * i + 1];
    refresh();
  }
}
