"use strict";
// A map of molecules: points by WebGL, structures from 2D coordinates that were computed beforehand.
// All texts come from files that nobody vouches for: they reach the page by textContent and fillText alone.

const CARDS = 60; // structures shown at first, and by each `Show more`
const REACH = 14; // px from a point at which the pointer finds it
const LONGEST_BOND = 32; // px, so that a small molecule is not blown up
const LEVELS = 255; // of colour; 0 is a missing value
const FEWEST = 12000; // points drawn while the map moves, however slow the machine is
const REST = 160; // ms without a move after which all points are drawn again

// Viridis by Nathaniel Smith and Stefan van der Walt (CC0), at 9 places; its dark end is lightened in the dark scheme.
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const VIRIDIS_ON_DARK = ["#7b4fb0", "#6c62bd", "#5477bd", "#418fb5", "#31a7a6", "#36bd8d", "#62d06b", "#addc30", "#fde725"];

const ELEMENT_COLOURS = {
  N: "nitrogen", O: "oxygen", S: "sulfur", F: "halogen", Cl: "halogen", Br: "bromine", I: "bromine",
  P: "phosphorus", C: "carbon", H: "carbon", D: "carbon",
};

const byId = (id) => document.getElementById(id);
const stage = byId("stage"), surface = byId("points"), overlay = byId("overlay"), card = byId("card");
const view = { x: 0, y: 0, zoom: 1, width: 1, height: 1, ratio: 1 };

let map; // { header, xy, values }
let molecules = null; // read after the first frame
let index; // grid of points, to find the nearest
let tint; // level of colour of each point
let selected; // 1 for each selected point
let chosen = []; // the selected points, in file order
let column = 0;
let hovered = -1;
let mode = "pan";
let lasso = null;
let gesture = null;
let range = null; // being dragged over the legend, as shares of its width
let painter = null;
let nCards = CARDS;
let isFramePending = false;
let arePointsStale = true; // pointing and lassos change only what is drawn above the points
let order; // the points in a random order, so that none lie on top because they came last in the file
let nMoving; // how many of them this machine can draw while the map moves
let rest = 0; // timer; 0 while the map is still
let lastFrame = 0;

/* ---- what is embedded ---- */

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function unpack(text) {
  const packed = bytesOf(text);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(stream).arrayBuffer();
  const start = 4 + new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, start - 4)));
  const kinds = { f4: Float32Array, i2: Int16Array, u2: Uint16Array, u1: Uint8Array };
  const arrays = {};
  for (const { name, kind, at, length } of header.arrays) arrays[name] = new kinds[kind](bytes, start + at, length);
  return { header, ...arrays };
}

function starts(counts) {
  const sums = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) sums[i + 1] = sums[i] + counts[i];
  return sums;
}

// One molecule: atoms with their kind and place in angstroms, bonds as [begin, end, order, stereo] of a V2000 block.
function structure(i) {
  const { header, step_x, step_y, kind, begin, end, bond, firstAtom, firstBond } = molecules;
  const atoms = [], bonds = [];
  for (let a = firstAtom[i], x = 0, y = 0; a < firstAtom[i + 1]; a++) {
    x += step_x[a];
    y += step_y[a];
    const [symbol, charge, hydrogens, isotope, valence, radical] = header.kinds[kind[a]];
    atoms.push({ x: x * header.unit, y: y * header.unit, symbol, charge, hydrogens, isotope, valence, radical });
  }
  for (let b = firstBond[i]; b < firstBond[i + 1]; b++) bonds.push([begin[b], end[b], bond[b] >> 3, bond[b] & 7]);
  return { atoms, bonds };
}

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

/* ---- points ---- */

function colours() {
  const hex = isDark() ? VIRIDIS_ON_DARK : VIRIDIS;
  const stops = hex.map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
  const table = new Uint8Array(4 * (LEVELS + 1));
  const missing = getComputedStyle(document.documentElement).getPropertyValue("--missing").trim();
  table.set([1, 3, 5].map((at) => parseInt(missing.slice(at, at + 2), 16)).concat(255), 0);
  for (let level = 1; level <= LEVELS; level++) {
    const place = ((level - 1) / (LEVELS - 1)) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2), share = place - low;
    for (let c = 0; c < 3; c++) table[4 * level + c] = stops[low][c] + share * (stops[low + 1][c] - stops[low][c]);
    table[4 * level + 3] = 255;
  }
  return table;
}

const VERTEX = `
attribute vec2 place; attribute float level; attribute float flag;
uniform vec2 centre, scale; uniform float size, wanted; varying float tone, width;
void main() {
  tone = level;
  width = size;
  gl_PointSize = size;
  gl_Position = (flag > 0.5) == (wanted > 0.5) ? vec4((place - centre) * scale, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
}`;
const FRAGMENT = `
precision mediump float;
uniform sampler2D table; uniform float opacity; varying float tone, width;
void main() {
  float edge = (0.5 - length(gl_PointCoord - 0.5)) * width;
  float alpha = opacity * clamp(edge, 0.0, 1.0);
  if (alpha <= 0.0) discard;
  gl_FragColor = vec4(texture2D(table, vec2((tone * 255.0 + 0.5) / 256.0, 0.5)).rgb * alpha, alpha);
}`;

// Draws by the graphics card; null where the browser has no WebGL.
function glPainter() {
  const gl = surface.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  const buffers = {};
  const feed = (name, values, size, type) => {
    buffers[name] ??= gl.createBuffer();
    const place = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, type, type === gl.UNSIGNED_BYTE, 0, 0);
  };
  const uniform = (name) => gl.getUniformLocation(program, name);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const xy = new Float32Array(map.xy.length);
  order.forEach((i, at) => xy.set([map.xy[2 * i], map.xy[2 * i + 1]], 2 * at));
  feed("place", xy, 2, gl.FLOAT);
  return {
    retint() {
      feed("level", Uint8Array.from(order, (i) => tint[i]), 1, gl.UNSIGNED_BYTE);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, LEVELS + 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours());
    },
    reselect() {
      feed("flag", Uint8Array.from(order, (i) => 255 * selected[i]), 1, gl.UNSIGNED_BYTE);
    },
    paint(size, n) {
      const pixels = pixelsPerUnit();
      gl.viewport(0, 0, surface.width, surface.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(uniform("centre"), view.x, view.y);
      gl.uniform2f(uniform("scale"), (2 * pixels) / view.width, (2 * pixels) / view.height);
      for (const wanted of chosen.length ? [0, 1] : [0]) {
        gl.uniform1f(uniform("wanted"), wanted);
        gl.uniform1f(uniform("opacity"), wanted ? 1 : opacity());
        gl.uniform1f(uniform("size"), (wanted ? size * 1.35 : size) * view.ratio);
        gl.drawArrays(gl.POINTS, 0, n);
      }
    },
  };
}

// The same without a graphics card: squares, which a browser fills fastest.
function plainPainter() {
  const context = surface.getContext("2d");
  const rank = new Uint32Array(order.length);
  order.forEach((i, at) => (rank[i] = at));
  let byTint, table;
  return {
    retint() {
      byTint = Uint32Array.from(tint.keys()).sort((a, b) => tint[a] - tint[b]);
      table = colours();
    },
    reselect() {},
    paint(size, n) {
      context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
      context.clearRect(0, 0, view.width, view.height);
      for (const wanted of chosen.length ? [0, 1] : [0]) {
        context.globalAlpha = wanted ? 1 : opacity();
        let level = -1;
        for (const i of byTint) {
          if (selected[i] !== wanted || rank[i] >= n) continue;
          if (tint[i] !== level) {
            level = tint[i];
            context.fillStyle = `rgb(${table[4 * level]} ${table[4 * level + 1]} ${table[4 * level + 2]})`;
          }
          const [x, y] = onScreen(i);
          context.fillRect(x - size / 2, y - size / 2, size, size);
        }
      }
    },
  };
}

function opacity() {
  return (chosen.length ? 0.22 : 1) * (tint.length > 20000 ? 0.78 : 0.88);
}

function pointSize() {
  const usual = Math.min(8, Math.max(2.6, 300 / tint.length ** 0.42));
  return Math.min(14, usual * Math.sqrt(Math.max(1, view.zoom)));
}

function pixelsPerUnit() {
  return (Math.min(view.width, view.height) / 2) * 0.93 * view.zoom;
}

function onScreen(i) {
  const pixels = pixelsPerUnit();
  return [
    view.width / 2 + (map.xy[2 * i] - view.x) * pixels,
    view.height / 2 - (map.xy[2 * i + 1] - view.y) * pixels,
  ];
}

function onMap(x, y) {
  const pixels = pixelsPerUnit();
  return [view.x + (x - view.width / 2) / pixels, view.y - (y - view.height / 2) / pixels];
}

function makeIndex(xy) {
  const n = xy.length / 2;
  const size = Math.max(4, Math.min(400, Math.ceil(Math.sqrt(n / 3))));
  const cell = (value) => Math.max(0, Math.min(size - 1, Math.floor(((value + 1) / 2) * size)));
  const counts = new Uint32Array(size * size), home = new Uint32Array(n);
  for (let i = 0; i < n; i++) counts[(home[i] = cell(xy[2 * i + 1]) * size + cell(xy[2 * i]))]++;
  const first = starts(counts), next = first.slice(), items = new Uint32Array(n);
  for (let i = 0; i < n; i++) items[next[home[i]]++] = i;
  return { size, cell, first, items };
}

// The point nearest to a place of the map, within a radius; -1 where there is none.
function nearest(x, y, radius) {
  const { size, cell, first, items } = index;
  let best = -1, least = radius * radius;
  for (let row = cell(y - radius); row <= cell(y + radius); row++) {
    const from = first[row * size + cell(x - radius)], to = first[row * size + cell(x + radius) + 1];
    for (let at = from; at < to; at++) {
      const i = items[at], distance = (map.xy[2 * i] - x) ** 2 + (map.xy[2 * i + 1] - y) ** 2;
      if (distance < least) {
        least = distance;
        best = i;
      }
    }
  }
  return best;
}

// A permutation of 0 to n - 1 (Durstenfeld 1964), the same for the same n.
function shuffled(n) {
  const items = new Uint32Array(n).map((_, i) => i);
  let state = 1;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes, 2nd edition, p. 284
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

/* ---- frames ---- */

function refresh(isWhole = true) {
  arePointsStale ||= isWhole;
  if (isFramePending) return;
  isFramePending = true;
  requestAnimationFrame((now) => {
    isFramePending = false;
    if (rest) adapt(now - lastFrame);
    lastFrame = now;
    frame();
  });
}

// The view changed: until it rests, only as many points are drawn as this machine can follow with.
function moved() {
  clearTimeout(rest);
  rest = setTimeout(() => {
    rest = 0;
    refresh();
  }, REST);
  refresh();
}

function adapt(elapsed) {
  if (elapsed > 40 && elapsed < 2 * REST) nMoving = Math.max(Math.min(FEWEST, order.length), Math.round(nMoving * 0.6));
  else if (elapsed < 24) nMoving = Math.min(order.length, Math.round(nMoving * 1.25));
}

function frame() {
  if (arePointsStale) painter.paint(pointSize(), rest ? nMoving : order.length);
  arePointsStale = false;
  const context = overlay.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  if (hovered >= 0) {
    const [x, y] = onScreen(hovered);
    context.beginPath();
    context.arc(x, y, pointSize() / 2 + 3.5, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.strokeStyle = style.getPropertyValue("--ink");
    context.stroke();
  }
  if (lasso) {
    const pixels = pixelsPerUnit();
    context.beginPath();
    for (const [x, y] of lasso) {
      context.lineTo(view.width / 2 + (x - view.x) * pixels, view.height / 2 - (y - view.y) * pixels);
    }
    context.closePath();
    context.strokeStyle = style.getPropertyValue("--accent");
    context.lineWidth = 1.5;
    context.stroke();
    context.globalAlpha = 0.1;
    context.fillStyle = context.strokeStyle;
    context.fill();
    context.globalAlpha = 1;
  }
}

function resize() {
  view.width = stage.clientWidth;
  view.height = stage.clientHeight;
  view.ratio = window.devicePixelRatio || 1;
  for (const canvas of [surface, overlay]) {
    canvas.width = Math.round(view.width * view.ratio);
    canvas.height = Math.round(view.height * view.ratio);
  }
  arePointsStale = true;
  frame();
  drawLegend();
}

function zoomAt(x, y, factor) {
  const [mapX, mapY] = onMap(x, y);
  view.zoom = Math.min(20000, Math.max(0.3, view.zoom * factor));
  const [nowX, nowY] = onMap(x, y);
  view.x += mapX - nowX;
  view.y += mapY - nowY;
  hover(-1);
  moved();
}

function showAll() {
  Object.assign(view, { x: 0, y: 0, zoom: 1 });
  hover(-1);
  refresh();
}

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
  for (const id of ["smi", "sdf", "clear"]) byId(id).disabled = !chosen.length;
  byId("advice").hidden = chosen.length > 0;
  nCards = CARDS;
  byId("grid").replaceChildren();
  byId("grid").scrollTop = 0;
  showFacts();
  showCards();
  refresh();
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

/* ---- files ---- */

function oneLine(text, length = 200) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim().slice(0, length);
}

const right = (value, width) => String(value).padStart(width);

// V2000: Dalby et al., J. Chem. Inf. Comput. Sci. 1992, 32, 244.
function molblock(i) {
  const { atoms, bonds } = structure(i);
  const isChiral = bonds.some(([, , order, stereo]) => order === 1 && (stereo === 1 || stereo === 6));
  const lines = [oneLine(nameOf(i), 80).replace(/^\$\$\$\$/, " $$$$$$$$"), "     molgen          2D", ""];
  lines.push(`${right(atoms.length, 3)}${right(bonds.length, 3)}  0  0${right(isChiral ? 1 : 0, 3)}  0  0  0  0  0999 V2000`);
  for (const atom of atoms) {
    const place = [atom.x, atom.y, 0].map((value) => right(value.toFixed(4), 10)).join("");
    lines.push(`${place} ${atom.symbol.padEnd(3)} 0  0  0  0  0${right(atom.valence, 3)}  0  0  0  0  0  0`);
  }
  for (const [begin, end, order, stereo] of bonds) {
    lines.push([begin + 1, end + 1, order, stereo].map((value) => right(value, 3)).join(""));
  }
  for (const [code, key] of [["CHG", "charge"], ["RAD", "radical"], ["ISO", "isotope"]]) {
    const entries = atoms.flatMap((atom, a) => (atom[key] ? [right(a + 1, 4) + right(atom[key], 4)] : []));
    for (let at = 0; at < entries.length; at += 8) {
      const part = entries.slice(at, at + 8);
      lines.push(`M  ${code}${right(part.length, 3)}${part.join("")}`);
    }
  }
  return `${lines.join("\n")}\nM  END\n`;
}

function sdfRecord(i) {
  const fields = [["SMILES", molecules.header.smiles[i]]];
  map.header.columns.forEach((each, c) => {
    const value = map.values[c * tint.length + i];
    const name = oneLine(each.name.replace(/[<>]/g, " "), 60) || `column ${c + 1}`;
    if (!Number.isNaN(value)) fields.push([name, String(Number(value.toPrecision(7)))]);
  });
  return `${molblock(i)}${fields.map(([name, value]) => `>  <${name}>\n${value}\n\n`).join("")}$$$$\n`;
}

function smilesLine(i) {
  return `${molecules.header.smiles[i]} ${oneLine(molecules.header.names[i])}`.trim() + "\n";
}

function save(name, type, write) {
  const url = URL.createObjectURL(new Blob(chosen.map(write), { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/* ---- colour ---- */

const isDark = () => document.documentElement.dataset.scheme === "dark";

function share(value) {
  const { low, high } = map.header.columns[column];
  return high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;
}

function retint() {
  const n = map.xy.length / 2;
  tint = new Uint8Array(n).fill(map.header.columns.length ? 0 : 96);
  if (map.header.columns.length) {
    const values = map.values.subarray(column * n, (column + 1) * n);
    for (let i = 0; i < n; i++) if (!Number.isNaN(values[i])) tint[i] = 1 + Math.round(share(values[i]) * (LEVELS - 1));
  }
}

function recolour() {
  retint();
  painter.retint();
  drawLegend();
  refresh();
}

function drawLegend() {
  const canvas = byId("legend");
  if (!map.header.columns.length) return;
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = view.ratio, bins = 48;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const style = getComputedStyle(document.documentElement), table = colours();
  const counts = new Uint32Array(bins);
  let nMissing = 0;
  for (const level of tint) level ? counts[Math.min(bins - 1, Math.floor(((level - 1) / (LEVELS - 1)) * bins))]++ : nMissing++;
  const most = Math.max(...counts, 1), floor = height - 30;
  counts.forEach((count, bin) => {
    const level = 1 + Math.round(((bin + 0.5) / bins) * (LEVELS - 1)), tall = (count / most) * (floor - 2);
    context.fillStyle = `rgb(${table[4 * level]} ${table[4 * level + 1]} ${table[4 * level + 2]})`;
    context.fillRect((bin * width) / bins, floor - tall, width / bins - 1, tall);
    context.fillRect((bin * width) / bins, floor + 3, width / bins + 0.5, 7);
  });
  if (range) {
    const [from, to] = [Math.min(...range), Math.max(...range)];
    context.fillStyle = style.getPropertyValue("--accent");
    context.globalAlpha = 0.22;
    context.fillRect(from * width, 0, Math.max(1, (to - from) * width), floor + 10);
    context.globalAlpha = 1;
  }
  const { low, high, least, greatest } = map.header.columns[column];
  context.font = "11.5px system-ui, Arial, sans-serif";
  context.fillStyle = style.getPropertyValue("--soft");
  context.textBaseline = "bottom";
  context.fillText((least < low ? "\u2264 " : "") + numberText(low), 0, height - 1);
  context.textAlign = "right";
  context.fillText((greatest > high ? "\u2265 " : "") + numberText(high), width, height - 1);
  context.textAlign = "center";
  const middle = nMissing ? `${nMissing.toLocaleString("en")} without a value` : numberText((low + high) / 2);
  context.fillText(middle, width / 2, height - 1);
}

// The first and last bar also hold what lies beyond the ends of the scale, as its colours do.
function selectRange(keys) {
  const [from, to] = [Math.min(...range), Math.max(...range)];
  const values = map.values.subarray(column * tint.length, (column + 1) * tint.length);
  select((i) => !Number.isNaN(values[i]) && share(values[i]) >= from && share(values[i]) <= to, keys);
}

/* ---- hands and keys ---- */

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
