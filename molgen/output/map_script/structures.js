/* ---- drawing a structure ---- */

function neighboursOf({ atoms, bonds }) {
  const near = atoms.map(() => []);
  for (const [a, b] of bonds) {
    near[a].push(b);
    near[b].push(a);
  }
  return near;
}

// The centre of the smallest ring that a bond is in, or null: double bonds of rings are drawn inwards.
function ringCentre(points, near, a, b) {
  const before = new Map([[a, -1]]);
  const queue = [a];
  for (let at = 0; at < queue.length; at++) {
    for (const next of near[queue[at]]) {
      if (before.has(next) || (queue[at] === a && next === b)) continue;
      before.set(next, queue[at]);
      queue.push(next);
    }
    if (before.has(b)) break;
  }
  if (!before.has(b)) return null;
  let x = 0, y = 0, n = 0;
  for (let atom = b; atom !== -1; atom = before.get(atom), n++) {
    x += points[atom].x;
    y += points[atom].y;
  }
  return n <= 8 ? { x: x / n, y: y / n } : null;
}

function isLabelled(atom, degree) {
  return atom.symbol !== "C" || atom.charge || atom.isotope || atom.radical || degree === 0;
}

function drawStructure(canvas, i) {
  const style = getComputedStyle(document.documentElement);
  const colour = (symbol) => style.getPropertyValue(`--${ELEMENT_COLOURS[symbol] ?? "other"}`);
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const molecule = structure(i);
  const { points, scale } = placed(molecule.atoms, width, height);
  const near = neighboursOf(molecule);
  const font = Math.max(8.5, Math.min(14, scale * 0.5));
  const gaps = molecule.atoms.map((atom, a) =>
    isLabelled(atom, near[a].length) ? font * (atom.symbol.length > 1 ? 0.82 : 0.66) : 0);
  const pen = { context, gap: Math.max(1.7, scale * 0.12), carbon: colour("C") };
  context.strokeStyle = context.fillStyle = pen.carbon;
  context.lineWidth = Math.max(1, Math.min(1.6, scale * 0.075));
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const bond of molecule.bonds) drawBond(pen, points, near, gaps, bond);
  molecule.atoms.forEach((atom, a) => {
    if (gaps[a]) drawLabel(context, atom, points, near, a, font, colour(atom.symbol));
  });
}

// Places of atoms on a canvas of this size, with room for labels, and px an angstrom.
function placed(atoms, width, height) {
  const xs = atoms.map((atom) => atom.x), ys = atoms.map((atom) => -atom.y);
  const low = [Math.min(...xs), Math.min(...ys)], high = [Math.max(...xs), Math.max(...ys)];
  const margin = 15;
  const scale = Math.min(
    (width - 2 * margin) / Math.max(high[0] - low[0], 0.01),
    (height - 2 * margin) / Math.max(high[1] - low[1], 0.01),
    LONGEST_BOND / 1.5,
  );
  const points = atoms.map((_, a) => ({
    x: width / 2 + (xs[a] - (low[0] + high[0]) / 2) * scale,
    y: height / 2 + (ys[a] - (low[1] + high[1]) / 2) * scale,
  }));
  return { points, scale };
}

function drawBond(pen, points, near, gaps, [a, b, order, stereo]) {
  const from = points[a], to = points[b];
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const ux = (to.x - from.x) / length, uy = (to.y - from.y) / length;
  // A line beside the bond by `side` px, each end cut by at least `cut` px where no label is.
  const line = (side, cut = 0, end = side) => {
    const head = gaps[a] || cut, tail = gaps[b] || cut;
    pen.context.moveTo(from.x + ux * head - uy * side, from.y + uy * head + ux * side);
    pen.context.lineTo(to.x - ux * tail - uy * end, to.y - uy * tail + ux * end);
  };
  pen.context.beginPath();
  if (order === 1 && stereo) return drawWedge(pen, from, ux, uy, gaps[a], length - gaps[b], stereo);
  if (order === 2 && stereo === 3) {
    line(-pen.gap, 0, pen.gap);
    line(pen.gap, 0, -pen.gap);
  } else if (order === 2) {
    const centre = ringCentre(points, near, a, b);
    if (centre || (near[a].length > 1 && near[b].length > 1)) {
      const inner = centre ? side(from, ux, uy, centre) : crowdedSide(points, near, a, b, ux, uy);
      line(0);
      line(inner * pen.gap * 1.7, length * 0.12);
    } else {
      line(-pen.gap * 0.8);
      line(pen.gap * 0.8);
    }
  } else {
    line(0);
    if (order === 3) {
      line(-pen.gap * 1.4);
      line(pen.gap * 1.4);
    }
  }
  pen.context.stroke();
}

function side(from, ux, uy, point) {
  return (point.y - from.y) * ux - (point.x - from.x) * uy >= 0 ? 1 : -1;
}

function crowdedSide(points, near, a, b, ux, uy) {
  let sum = 0;
  for (const other of [...near[a], ...near[b]]) {
    if (other !== a && other !== b) sum += side(points[a], ux, uy, points[other]);
  }
  return sum >= 0 ? 1 : -1;
}

// Stereo of a single bond in a V2000 block: 1 towards the viewer, 6 away, 4 either.
function drawWedge({ context, gap }, from, ux, uy, head, tail, stereo) {
  const at = (along, across) => [from.x + ux * along - uy * across, from.y + uy * along + ux * across];
  const broad = gap * 1.25;
  if (stereo === 1) {
    context.moveTo(...at(head, 0));
    context.lineTo(...at(tail, broad));
    context.lineTo(...at(tail, -broad));
    context.closePath();
    context.fill();
    return;
  }
  const n = Math.max(4, Math.round((tail - head) / 3.2));
  context.moveTo(...at(head, 0));
  for (let i = 1; i <= n; i++) {
    const along = head + ((tail - head) * i) / n, across = (broad * i) / n;
    if (stereo === 6) {
      context.moveTo(...at(along, across));
      context.lineTo(...at(along, -across));
    } else {
      context.lineTo(...at(along, i % 2 ? broad * 0.7 : -broad * 0.7));
    }
  }
  context.stroke();
}

function drawLabel(context, atom, points, near, a, font, colour) {
  const here = points[a];
  let sx = 0, sy = 0;
  for (const other of near[a]) {
    sx += points[other].x - here.x;
    sy += points[other].y - here.y;
  }
  const isUpright = near[a].length > 1 && Math.abs(sy) > Math.abs(sx);
  const main = `500 ${font}px system-ui, Arial, sans-serif`, small = `500 ${font * 0.72}px system-ui, Arial, sans-serif`;
  context.fillStyle = colour;
  context.textBaseline = "middle";
  const write = (text, type, x, y) => {
    context.font = type;
    context.fillText(text, x, y);
    return context.measureText(text).width;
  };
  const widthOf = (text, type) => {
    context.font = type;
    return context.measureText(text).width;
  };
  const half = widthOf(atom.symbol, main) / 2;
  let right = here.x - half, left = here.x - half;
  right += write(atom.symbol, main, right, here.y);
  const isotope = atom.isotope ? String(atom.isotope) : "";
  if (isotope) {
    left -= widthOf(isotope, small);
    write(isotope, small, left, here.y - font * 0.34);
  }
  const count = atom.hydrogens > 1 ? String(atom.hydrogens) : "";
  if (atom.hydrogens) {
    const wide = widthOf("H", main) + widthOf(count, small);
    const at = isUpright ? { x: here.x - widthOf("H", main) / 2, y: here.y + (sy > 0 ? -font : font) * 0.98 }
      : sx > 0.01 ? { x: left - wide, y: here.y } : { x: right, y: here.y };
    const next = at.x + write("H", main, at.x, at.y);
    write(count, small, next, at.y + font * 0.3);
    if (!isUpright && sx <= 0.01) right += wide;
  }
  const size = Math.abs(atom.charge) > 1 ? Math.abs(atom.charge) : "";
  const sign = atom.charge ? `${size}${atom.charge > 0 ? "+" : "\u2212"}` : "";
  write(sign + "\u2022".repeat(atom.radical ? (atom.radical === 2 ? 1 : 2) : 0), small, right, here.y - font * 0.38);
}
