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
