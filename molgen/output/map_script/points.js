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
