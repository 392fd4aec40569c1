/* ---- pointer and keyboard ---- */

function listen() {
  overlay.addEventListener("pointerdown", onDown);
  overlay.addEventListener("pointermove", onMove);
  overlay.addEventListener("pointerup", onUp);
  overlay.addEventListener("pointercancel", () => {
    gesture = lasso = null;
    refresh(false);
  });
  overlay.addEventListener("pointerleave", () => gesture || hover(-1));
  overlay.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode ? 18 : 1;
    zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * lines * 0.0016));
  }, { passive: false });
  document.addEventListener("keydown", onKey);
  byId("pan").addEventListener("click", () => setMode("pan"));
  byId("lasso").addEventListener("click", () => setMode("lasso"));
  byId("closer").addEventListener("click", () => zoomAt(view.width / 2, view.height / 2, 1.5));
  byId("farther").addEventListener("click", () => zoomAt(view.width / 2, view.height / 2, 1 / 1.5));
  byId("reset").addEventListener("click", showAll);
  byId("clear").addEventListener("click", () => select(() => false));
  byId("smi").addEventListener("click", () => save("selection.smi", "chemical/x-daylight-smiles", smilesLine));
  byId("csv").addEventListener("click", () => save("selection.csv", "text/csv", csvLine, csvHeader()));
  byId("sdf").addEventListener("click", () => save("selection.sdf", "chemical/x-mdl-sdfile", sdfRecord));
  byId("column").addEventListener("change", (event) => {
    column = event.target.selectedIndex;
    recolour();
  });
  byId("search").addEventListener("keydown", (event) => event.key === "Enter" && find(event.target.value.trim(), event));
  byId("scheme").addEventListener("click", () => setScheme(!isDark()));
  listenToLegend();
  new ResizeObserver(resize).observe(stage);
}

function listenToLegend() {
  const canvas = byId("legend");
  const at = (event) => Math.min(1, Math.max(0, event.offsetX / canvas.clientWidth));
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    range = [at(event), at(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!range) return;
    range[1] = at(event);
    drawLegend();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (range && molecules) selectRange(event);
    range = null;
    drawLegend();
  });
}

function onDown(event) {
  if (event.button !== 0 || !molecules) return;
  overlay.setPointerCapture(event.pointerId);
  gesture = { x: event.offsetX, y: event.offsetY, mapX: view.x, mapY: view.y, hasMoved: false };
  if (mode === "lasso" || event.shiftKey || event.altKey) lasso = [onMap(event.offsetX, event.offsetY)];
}

function onMove(event) {
  const { offsetX: x, offsetY: y } = event;
  if (!gesture) {
    const [mapX, mapY] = onMap(x, y);
    hover(nearest(mapX, mapY, REACH / pixelsPerUnit()));
    return;
  }
  if (!gesture.hasMoved && Math.hypot(x - gesture.x, y - gesture.y) < 4) return;
  gesture.hasMoved = true;
  hover(-1);
  if (lasso) {
    lasso.push(onMap(x, y));
  } else {
    overlay.classList.add("is-panning");
    view.x = gesture.mapX - (x - gesture.x) / pixelsPerUnit();
    view.y = gesture.mapY + (y - gesture.y) / pixelsPerUnit();
    moved();
  }
  refresh(false);
}

function onUp(event) {
  overlay.classList.remove("is-panning");
  if (!gesture) return;
  const { hasMoved } = gesture, drawn = lasso;
  gesture = lasso = null;
  if (!hasMoved) {
    const [x, y] = onMap(event.offsetX, event.offsetY);
    const found = nearest(x, y, REACH / pixelsPerUnit());
    if (found >= 0) toggle(found, event);
  } else if (drawn) {
    selectLasso(drawn, event);
  }
  refresh(false);
}

function toggle(i, { shiftKey, altKey }) {
  if (selected[i] && shiftKey) select((j) => j === i, { altKey: true });
  else select((j) => j === i, { shiftKey, altKey });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || ["INPUT", "SELECT"].includes(event.target.tagName)) return;
  const step = 60 / pixelsPerUnit(), middle = [view.width / 2, view.height / 2];
  const isOnMap = event.target === overlay || event.target === document.body;
  const actions = {
    "+": () => zoomAt(...middle, 1.3), "=": () => zoomAt(...middle, 1.3), "-": () => zoomAt(...middle, 1 / 1.3),
    0: showAll, Escape: () => (lasso = gesture = null, select(() => false)),
    l: () => setMode("lasso"), p: () => setMode("pan"), n: () => walk(1), b: () => walk(-1),
    ...(isOnMap && {
      ArrowLeft: () => (view.x -= step), ArrowRight: () => (view.x += step),
      ArrowUp: () => (view.y += step), ArrowDown: () => (view.y -= step),
      " ": () => hovered >= 0 && toggle(hovered, { shiftKey: true }),
    }),
  };
  const action = actions[event.key] ?? actions[event.key.toLowerCase()];
  if (!action || !molecules) return;
  event.preventDefault();
  if (event.key.startsWith("Arrow")) hover(-1);
  action();
  refresh();
}

function walk(step) {
  const n = tint.length;
  const next = hovered < 0 ? (step > 0 ? 0 : n - 1) : (hovered + step + n) % n;
  reveal(next);
  hover(next, true);
}

function find(text, event) {
  if (!text || !molecules) return;
  const { smiles, names } = molecules.header, plain = text.toLowerCase();
  select((i) => smiles[i].includes(text) || names[i].toLowerCase().includes(plain), event);
}

function setMode(name) {
  mode = name;
  byId("pan").setAttribute("aria-pressed", String(name === "pan"));
  byId("lasso").setAttribute("aria-pressed", String(name === "lasso"));
  overlay.classList.toggle("is-lasso", name === "lasso");
}

function setScheme(isNight) {
  document.documentElement.dataset.scheme = isNight ? "dark" : "light";
  byId("scheme").textContent = isNight ? "Light" : "Dark";
  if (!painter) return;
  painter.retint();
  drawLegend();
  refresh();
  if (molecules) [...byId("grid").querySelectorAll("canvas")].forEach((canvas, at) => drawStructure(canvas, chosen[at]));
}
