"""Thousands of broken inputs through the command line: a message and the right exit code, never a traceback.

`HOSTILE_INPUTS` in the environment sets how many; the quick suite tries a few of each kind.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import string
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tomlkit
from typer import Typer
from typer.testing import CliRunner, Result

from molgen.paths import find_shipped
from molgen.search.spec import CampaignSpec

RunMolgen = Callable[..., Result]

N = int(os.environ.get("HOSTILE_INPUTS", "60"))
DONE, FAILED, USAGE, NOTHING_VALID = 0, 1, 2, 3

GOOD_ROWS = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "[NH3+]CC([O-])=O", "C[Si](C)(C)C"]
BAD_ROWS = [
    "", " ", "C1CC", "c1cccc1", "(((", "*", "[Xx]", "C" * 3000, "\x00", "\ufffd", '"', ";;;", "C.C.C", "1e999",
    "\x1b[2J", "C =1+1", "C $$$$", "=HYPERLINK(1)", "+1", "-C", "@A1", "C \u202e\x9b", "[Fe]12" * 50, "C1" * 900,
    "(" * 1999, "C" + "%99" * 600, "%" * 9,
]  # fmt: skip
HEADERS = ["smiles", "SMILES,y", "drug;y", "name\tstructure", "a,b", "", "smiles,smiles", '"smiles', "\ufeffsmiles"]
SUFFIXES = [".csv", ".tsv", ".smi", ".sdf", ".txt", ".csv.gz", ".smi.gz", ".sdf.gz", ".xyz", ""]


@pytest.fixture
def checkpoint(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small model in place of the default checkpoint."""
    monkeypatch.setenv("MOLGEN_CHECKPOINT", str(tiny_checkpoint))
    return tiny_checkpoint


def mutate(rng: random.Random, content: bytes) -> bytes:
    """Cuts, flips, repeats or mixes bytes."""
    if not content:
        return rng.randbytes(rng.randrange(64))
    place = rng.randrange(len(content))
    match rng.randrange(6):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]
        case 2:
            return content[:place] + rng.randbytes(rng.randrange(1, 40)) + content[place:]
        case 3:
            return content[place:] + content[:place]
        case 4:
            return rng.randbytes(rng.randrange(200))
    return content


def require_manners(result: Result, *allowed: int) -> None:
    """The exit code is one of `allowed`, nothing was raised, and a failure says why on standard error."""
    assert result.exit_code in allowed, f"{result.exit_code}: {result.output}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert "internal error" not in result.output
    assert result.stderr.replace("\n", "").replace("\t", "").isprintable()
    assert len(result.stderr) < 20_000
    if result.exit_code:
        assert result.stderr.strip()


def require_no_formulas(path: Path) -> None:
    """No cell of a CSV file, if it is there, is more to a spreadsheet than a text or a number."""
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        for cell in cells:
            if len(cell) > 1 and cell[0] in "=+-@\t\r":
                float(cell)


def table(rng: random.Random) -> bytes:
    rows = rng.choices(GOOD_ROWS + BAD_ROWS, k=rng.randrange(8))
    return "\n".join([rng.choice(HEADERS), *rows]).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("seed", range(N * 40 // 100))
@pytest.mark.usefixtures("checkpoint")
def test_files_of_molecules(tmp_path: Path, run_molgen: RunMolgen, seed: int) -> None:
    rng = random.Random(seed)
    suffix = rng.choice(SUFFIXES)
    content = mutate(rng, table(rng))
    if suffix.endswith(".gz") and rng.random() < 0.8:
        packed = gzip.compress(content, mtime=0)
        content = mutate(rng, packed) if rng.random() < 0.5 else packed
    path = tmp_path / f"input{suffix}"
    path.write_bytes(content)
    options = ["--smiles-column", rng.choice(["a", "smiles", "\n"])] if rng.random() < 0.2 else []
    rejects = tmp_path / "rejects.csv"
    result = run_molgen("encode", path, "-o", tmp_path / "z.csv", "--rejects", rejects, *options)
    require_manners(result, DONE, USAGE, NOTHING_VALID)
    require_no_formulas(rejects)
    assert (result.exit_code == USAGE) <= (not (tmp_path / "z.csv").exists())


VALUES: list[object] = [
    "qed", "qedd", "qed = ", "similarity:C1CC", "smarts:[", "predicted:x", "sa <= 4", "sa <= 4 <= 1", "sa >= 9",
    "sa <= 1", "mw = 1..0", "mw = nan..1", "qed = 1e999", "file.py:f", "/dev/null:f", "no-such-program", "CC(", "C",
    "x" * 100_000, ["qed"] * 2000, 10**4000, -(10**4000), float("nan"), float("inf"), "\x1b[2J", "=1+1",
    "qed = 2" * 500, "mw <= 10", "smarts:" + "[" * 5000, "similarity:" + "C" * 5000, "\u202e", "a\n$$$$", 2**32, 1e308,
    "\x00", "", -1, 0, 1, 10**30, 1.5, True, [], [1], ["qed", "qed"], {"a": 1}, "nsga2", "sobol", "/", "é" * 300,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(N * 35 // 100))
@pytest.mark.usefixtures("checkpoint")
def test_specifications(tmp_path: Path, run_molgen: RunMolgen, seed: int) -> None:
    rng = random.Random(seed)
    keys = [*CampaignSpec.__dataclass_fields__, "buget", "Maximize", "out"]
    options = {key: rng.choice(VALUES) for key in rng.sample(keys, rng.randrange(1, 4))}
    path = tmp_path / "spec.toml"
    content = tomlkit.dumps({"maximize": "qed", "budget": 2, **options}).encode()
    path.write_bytes(mutate(rng, content) if rng.random() < 0.4 else content)
    result = run_molgen("campaign", path, "--budget", 2, "--out", tmp_path / "run", "--threads", 1)
    require_manners(result, DONE, FAILED, USAGE, NOTHING_VALID)


@pytest.mark.parametrize("seed", range(N * 15 // 100))
def test_checkpoints(tmp_path: Path, run_molgen: RunMolgen, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "model.safetensors"
    for suffix in (".safetensors", ".json"):
        content = (find_shipped("checkpoints") / f"default{suffix}").read_bytes()
        path.with_suffix(suffix).write_bytes(mutate(rng, content) if rng.random() < 0.6 else content)
    if rng.random() < 0.4:
        card = json.loads((find_shipped("checkpoints") / "default.json").read_text())
        card[rng.choice(sorted(card))] = rng.choice([None, 0, -1, 10**12, "x", [], {}, ["a", "b"], {"n_tokens": 4}])
        path.with_suffix(".json").write_text(json.dumps(card))
    result = run_molgen("sample", "-n", 1, "--checkpoint", path, "-o", tmp_path / "out.smi")
    require_manners(result, DONE, USAGE, NOTHING_VALID)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory, app: Typer, tiny_checkpoint: Path) -> dict[str, bytes]:
    """Files of vectors of good rows and of an index, by suffix."""
    folder = tmp_path_factory.mktemp("vectors")
    (folder / "a.smi").write_text("\n".join(GOOD_ROWS))
    for command, name in (("encode", "z.csv"), ("encode", "z.npz"), ("index", "z.safetensors")):
        arguments = [folder / "a.smi", "--checkpoint", tiny_checkpoint, "-o", folder / name]
        result = CliRunner().invoke(app, [command, *map(str, arguments)])
        assert result.exit_code == DONE, result.output
    return {path.suffix: path.read_bytes() for path in folder.glob("z.*")}


@pytest.mark.parametrize("seed", range(N * 10 // 100))
@pytest.mark.usefixtures("checkpoint")
def test_vectors(tmp_path: Path, run_molgen: RunMolgen, vectors: dict[str, bytes], seed: int) -> None:
    rng = random.Random(seed)
    suffix = rng.choice([".csv", ".npz"])
    content = vectors[suffix]
    if suffix == ".npz" and rng.random() < 0.3:
        with np.load(io.BytesIO(content)) as arrays:
            parts = dict(arrays)
        parts["z"][:] = rng.choice([np.nan, np.inf, -np.inf, 3e38, 1e-45, 1e6])
        file = io.BytesIO()
        np.savez(file, **parts)
        content = file.getvalue()
    path = tmp_path / f"z{suffix}"
    path.write_bytes(mutate(rng, content))
    result = run_molgen("decode", path, "-o", tmp_path / "out.smi")
    require_manners(result, DONE, USAGE, NOTHING_VALID)
    assert (result.exit_code == USAGE) == (not (tmp_path / "out.smi").exists())


@pytest.mark.parametrize("seed", range(N * 5 // 100))
@pytest.mark.usefixtures("checkpoint")
def test_indices(tmp_path: Path, run_molgen: RunMolgen, vectors: dict[str, bytes], seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "library.safetensors"
    path.write_bytes(mutate(rng, vectors[".safetensors"]))
    arguments = ["explore", "neighbours", "CCO", "--library", path, "-n", 3, "-o", tmp_path / "near.sdf"]
    result = run_molgen(*arguments)
    require_manners(result, DONE, USAGE, NOTHING_VALID)


NUMBERS = [
    "-1",
    "0",
    "1",
    "2",
    "1e3",
    "nan",
    "",
    "x",
    "9" * 30,
    "9" * 5000,
    "-" + "9" * 30,
    "1.5",
    "\x1b[2J",
    "0x10",
    "1_0",
]
TEXTS = [
    "auto",
    "x",
    "cuda:99",
    "cuda:-1",
    "",
    "\x00",
    "mps",
    "meta",
    "\u202e",
    "gaussian",
    "diffusion",
    "C" * 5000,
    "a\nb",
]


@pytest.mark.filterwarnings("default::FutureWarning")  # `--prior diffusion` is a renamed value
@pytest.mark.parametrize("seed", range(N * 10 // 100))
def test_options(tmp_path: Path, run_molgen: RunMolgen, seed: int) -> None:
    rng = random.Random(seed)
    options = {"-n": "1", "--threads": "1"}
    for name in rng.sample(["-n", "--seed", "--threads", "--temperature"], rng.randrange(1, 4)):
        options[name] = rng.choice(NUMBERS)
    for name in rng.sample(
        ["--device", "--prior", "--like", "--scaffold", "--where", "--checkpoint", "--executor"], rng.randrange(2)
    ):
        options[name] = rng.choice(TEXTS)
    if options["-n"].isdigit() and len(options["-n"]) < 10:
        options["-n"] = str(min(2, int(options["-n"])))
    arguments = [f"{name}={value}" if name.startswith("--") else f"{name}{value}" for name, value in options.items()]
    result = run_molgen("sample", *arguments, "-o", tmp_path / "out.smi")
    require_manners(result, DONE, USAGE, NOTHING_VALID)


BODIES = [
    "raise ValueError('no')", "return None", "return 3", "return [1] * (len(smiles) + 1)", "return []",
    "return ['x'] * len(smiles)", "return [float('nan')] * len(smiles)", "return [None] * len(smiles)",
    "return [float('inf')] * len(smiles)", "return [True] * len(smiles)", "import sys; sys.exit(0)",
    "import os; os._exit(7)", "print('{]' * 1000); return [1.0] * len(smiles)", "return {s: 1 for s in smiles}",
    "return (float(len(s)) for s in smiles)", "return [10 ** 400] * len(smiles)", "while True: pass",
    "import sys; sys.stdout.buffer.write(b'\\xff' * 9999); return [1.0] * len(smiles)", "return [1j] * len(smiles)",
    "raise MemoryError", "raise ValueError(chr(27) * 100_000)", "return ['=1+1'] * len(smiles)", "return smiles",
    "import sys; print(chr(27) * 9999, file=sys.stderr); return [1.0] * len(smiles)", "return [-1e400] * len(smiles)",
    "raise KeyboardInterrupt", "return 'a' * len(smiles)", "syntax error",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(N * 10 // 100))
@pytest.mark.usefixtures("checkpoint")
def test_scorers(tmp_path: Path, run_molgen: RunMolgen, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "mine.py"
    path.write_text(f"def score(smiles):\n    {BODIES[seed % len(BODIES)]}\n")
    name = rng.choice(["score", "score", "score", "".join(rng.choices(string.ascii_letters, k=5))])
    options = ["--scorer", f"{path}:{name}", "--maximize", name, "--budget", 2, "--time-limit", 1, "--threads", 1]
    result = run_molgen("campaign", *options, "--out", tmp_path / "run")
    require_manners(result, DONE, FAILED, USAGE)
    if result.exit_code:
        assert not (tmp_path / "run").exists()
