/* ---- selection ---- */

// Selects the points for which `holds` is true; Shift adds them to what is selected, Alt takes them away.
function select(holds, { shiftKey = false, altKey = false } = {}) {
  for (let i = 0; i < selected.length; i++) {
    const is = holds(i);
    selected[i] = altKey ? selected[i] && !is : shiftKey ? selected[i] || is : is;
  }
  showSelection();
}

function showSelection() {
  chosen = [];
  for (let i = 0; i < selected.length; i++) if (selected[i]) chosen.push(i);
  painter.reselect();
  byId("count").textContent = chosen.length.toLocaleString("en");
  for (const id of ["smi", "csv", "sdf", "clear"]) byId(id).disabled = !chosen.length;
  byId("advice").hidden = chosen.length > 0;
  nCards = CARDS;
  byId("grid").replaceChildren();
  byId("grid").scrollTop = 0;
  showFacts();
  showCards();
  refresh();
  tellFrame();
}

// The page that holds the map in a frame, if one does, shows what is selected in its own way.
function tellFrame() {
  if (window.parent !== window) window.parent.postMessage({ selected: chosen.map((i) => molecules.header.smiles[i]) }, "*");
}

function median(c, rows) {
  const values = [];
  for (const i of rows) if (!Number.isNaN(map.values[c * tint.length + i])) values.push(map.values[c * tint.length + i]);
  values.sort((a, b) => a - b);
  const middle = values.length >> 1;
  return values.length % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

function showFacts() {
  const facts = byId("facts");
  facts.hidden = !chosen.length || !map.header.columns.length;
  if (facts.hidden) return;
  const rows = map.header.columns.flatMap((each, c) => [
    textual("span", each.name), textual("span", numberText(median(c, chosen))), textual("span", numberText(each.median)),
  ]);
  facts.replaceChildren(...["median", "selected", "all"].map((text) => textual("span", text, "head")), ...rows);
}

function showCards() {
  const grid = byId("grid");
  byId("more")?.remove();
  for (const i of chosen.slice(grid.children.length, nCards)) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("canvas"), textual("span", nameOf(i), "label"));
    button.title = molecules.header.smiles[i];
    button.addEventListener("pointerenter", () => hover(i));
    button.addEventListener("pointerleave", () => hover(-1));
    button.addEventListener("click", () => {
      reveal(i);
      hover(i, true);
    });
    grid.append(button);
    drawStructure(button.firstChild, i);
  }
  if (chosen.length > nCards) {
    const more = textual("button", `Show more of ${chosen.length.toLocaleString("en")}`);
    more.id = "more";
    more.addEventListener("click", () => {
      nCards += CARDS;
      showCards();
    });
    grid.append(more);
  }
}

function isInside(polygon, x, y) {
  let is = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) is = !is;
  }
  return is;
}

function selectLasso(polygon, keys) {
  const xs = polygon.map(([x]) => x), ys = polygon.map(([, y]) => y);
  const left = Math.min(...xs), right = Math.max(...xs), low = Math.min(...ys), high = Math.max(...ys);
  select((i) => {
    const x = map.xy[2 * i], y = map.xy[2 * i + 1];
    return x >= left && x <= right && y >= low && y <= high && isInside(polygon, x, y);
  }, keys);
}
