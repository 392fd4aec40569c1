"""Thousands of broken inputs through the command line: a message and the right exit code, never a traceback.

`HOSTILE_INPUTS` in the environment sets how many; the quick suite tries a few of each kind.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest
import tomlkit
from typer.testing import Result

from molgen.paths import find_shipped
from molgen.search.spec import CampaignSpec

RunMolgen = Callable[..., Result]

N = int(os.environ.get("HOSTILE_INPUTS", "60"))
DONE, FAILED, USAGE, NOTHING_VALID = 0, 1, 2, 3

GOOD_ROWS = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "[NH3+]CC([O-])=O", "C[Si](C)(C)C"]
BAD_ROWS = ["", " ", "C1CC", "c1cccc1", "(((", "*", "[Xx]", "C" * 3000, "\x00", "\ufffd", '"', ";;;", "C.C.C", "1e999"]
HEADERS = ["smiles", "SMILES,y", "drug;y", "name\tstructure", "a,b", "", "smiles,smiles", '"smiles', "\ufeffsmiles"]
SUFFIXES = [".csv", ".tsv", ".smi", ".sdf", ".txt", ".csv.gz", ".smi.gz", ".sdf.gz", ".xyz", ""]


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
    if result.exit_code:
        assert result.stderr.strip()


def table(rng: random.Random) -> bytes:
    rows = rng.choices(GOOD_ROWS + BAD_ROWS, k=rng.randrange(8))
    return "\n".join([rng.choice(HEADERS), *rows]).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("seed", range(N * 40 // 100))
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
    result = run_molgen("encode", path, "-o", tmp_path / "z.csv", *options)
    require_manners(result, DONE, USAGE, NOTHING_VALID)
    assert (result.exit_code == USAGE) <= (not (tmp_path / "z.csv").exists())


VALUES: list[object] = [
    "qed", "qedd", "qed = ", "similarity:C1CC", "smarts:[", "predicted:x", "sa <= 4", "sa <= 4 <= 1", "sa >= 9",
    "sa <= 1", "mw = 1..0", "mw = nan..1", "qed = 1e999", "file.py:f", "/dev/null:f", "no-such-program", "CC(", "C",
    "\x00", "", -1, 0, 1, 10**30, 1.5, True, [], [1], ["qed", "qed"], {"a": 1}, "nsga2", "sobol", "/", "é" * 300,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(N * 35 // 100))
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


BODIES = [
    "raise ValueError('no')", "return None", "return 3", "return [1] * (len(smiles) + 1)", "return []",
    "return ['x'] * len(smiles)", "return [float('nan')] * len(smiles)", "return [None] * len(smiles)",
    "return [float('inf')] * len(smiles)", "return [True] * len(smiles)", "import sys; sys.exit(0)",
    "import os; os._exit(7)", "print('{]' * 1000); return [1.0] * len(smiles)", "return {s: 1 for s in smiles}",
    "return (float(len(s)) for s in smiles)", "return [10 ** 400] * len(smiles)", "while True: pass",
    "import sys; sys.stdout.buffer.write(b'\\xff' * 9999); return [1.0] * len(smiles)", "return [1j] * len(smiles)",
    "raise KeyboardInterrupt", "return 'a' * len(smiles)", "syntax error",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(N * 10 // 100))
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
