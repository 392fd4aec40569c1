/* ---- start ---- */

function describe() {
  const { title, subtitle, notes, columns } = map.header;
  byId("title").textContent = title;
  byId("subtitle").textContent = subtitle;
  byId("notes").replaceChildren(...notes.map((text) => textual("p", text)));
  byId("notes").hidden = !notes.length;
  byId("column").replaceChildren(...columns.map((each) => textual("option", each.name)));
  byId("colours").hidden = !columns.length;
  overlay.setAttribute("aria-label", `Map of ${tint.length.toLocaleString("en")} molecules`);
}

function startPainting() {
  painter = glPainter() ?? plainPainter();
  painter.retint();
  painter.reselect();
}

async function start() {
  const whenRead = new Promise((done) => document.addEventListener("DOMContentLoaded", done));
  const darkness = window.matchMedia("(prefers-color-scheme: dark)");
  setScheme(darkness.matches);
  darkness.addEventListener("change", (event) => setScheme(event.matches));
  map = await unpack(byId("view-data").textContent);
  selected = new Uint8Array(map.xy.length / 2);
  order = shuffled(selected.length);
  nMoving = order.length;
  retint();
  describe();
  startPainting();
  surface.addEventListener("webglcontextlost", (event) => event.preventDefault());
  surface.addEventListener("webglcontextrestored", () => (startPainting(), refresh()));
  index = makeIndex(map.xy);
  resize();
  listen();
  requestAnimationFrame(() => performance.mark("first frame"));
  await whenRead; // until then the rest of the page may be there only in part
  const read = await unpack(byId("molecule-data").textContent);
  molecules = { ...read, firstAtom: starts(read.n_atoms), firstBond: starts(read.n_bonds) };
  performance.mark("molecules read");
}

start();
