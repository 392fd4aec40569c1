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
