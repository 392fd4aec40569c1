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

// A spreadsheet takes a text that begins with = + - or @ and is no number for a formula (OWASP, CSV injection).
function csvCell(text) {
  const line = oneLine(text);
  const plain = isNaN(line) ? line.replace(/^(?='*[=+\-@].)/, "'") : line;
  return /[",]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

function csvHeader() {
  return `${["smiles", "name", ...map.header.columns.map((each) => csvCell(each.name))].join(",")}\n`;
}

function csvLine(i) {
  const values = map.header.columns.map((_, c) => map.values[c * tint.length + i]);
  const numbers = values.map((value) => (Number.isNaN(value) ? "" : String(Number(value.toPrecision(7)))));
  return `${[molecules.header.smiles[i], csvCell(molecules.header.names[i]), ...numbers].join(",")}\n`;
}

function save(name, type, write, header = "") {
  const url = URL.createObjectURL(new Blob([header, ...chosen.map(write)], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
