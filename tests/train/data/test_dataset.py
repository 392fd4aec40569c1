"""From files to token sets: nothing lost uncounted, nothing depends on chance, workers or the order of rows."""

import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from molgen.chem.molecule import parse
from molgen.chem.table import Rejection, Tally
from molgen.errors import FileError, SpecError
from molgen.tokens import tokenisation as reading
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.tokens.tokenisation import hash_key
from molgen.train.data.dataset import Source, TokenSet, prepare
from molgen.train.data.splits import Split, random_split, scaffold_split, validation_rows

RINGS = ("c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCOC1", "c1ccc2ccccc2c1", "")
CHAINS = ("C", "O", "N", "CO", "CC", "CN", "OC", "CCO", "CCN", "C(C)O")
MOLECULES = sorted({parse(f"{chain}C{ring}").smiles for ring in RINGS for chain in CHAINS})


def tallies_of(*paths: Path) -> dict[Path, Tally]:
    return {path: Tally() for path in paths}


def prepared(source: Source, split_by: Split = "random") -> tuple[Vocabulary, TokenSet]:
    return prepare(source, tallies_of(*source.paths), min_count=1, split_by=split_by)


def smi(folder: Path, smiles: list[str], name: str = "a.smi") -> Path:
    path = folder / name
    path.write_text("".join(f"{s}\n" for s in smiles), encoding="utf-8")
    return path


def csv(folder: Path, rows: list[tuple[str, str]], name: str = "b.csv") -> Path:
    path = folder / name
    path.write_text("smiles,y\n" + "".join(f"{s},{y}\n" for s, y in rows), encoding="utf-8")
    return path


def is_same(a: TokenSet, b: TokenSet) -> bool:
    return all(np.array_equal(x, vars(b)[name], equal_nan=name == "labels") for name, x in vars(a).items())


def kept_out(data: TokenSet) -> set[int]:
    return set(data.keys[data.is_validation].tolist())


def test_every_molecule_reads_back(tmp_path: Path) -> None:
    vocabulary, data = prepared(Source((smi(tmp_path, MOLECULES),)))
    assert len(data) == len(MOLECULES)
    for i, smiles in enumerate(MOLECULES):
        assert parse(vocabulary.to_smiles(data[i].tolist())).smiles == smiles
        assert data.keys[i] == hash_key(smiles)


def test_rows_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    path = smi(tmp_path, ["CCO", "OCC", "nonsense", "C" * 40, "CCN"])
    tallies = tallies_of(path)
    prepare(Source((path,), max_tokens=10), tallies, min_count=1)
    assert (tallies[path].read, tallies[path].kept) == (5, 2)
    assert tallies[path].rejected == {"duplicate": 1, "not a SMILES": 1, "not 1 to 10 tokens": 1}


def test_a_molecule_with_a_rare_token_is_counted_where_it_stood(tmp_path: Path) -> None:
    first = smi(tmp_path, ["CCO", "CCBr", "CCO", "COC"], "first.smi")
    second = smi(tmp_path, ["OCCO", "CCC", "CCI"], "second.smi")
    tallies = tallies_of(first, second)
    seen: dict[Path, list[Rejection]] = {path: [] for path in tallies}
    for path, tally in tallies.items():
        tally.on_rejection = seen[path].append
    vocabulary, data = prepare(Source((first, second)), tallies, min_count=2)
    assert vocabulary.tokens == ("[C]", "[O]")
    assert len(data) == 4
    assert seen[first] == [Rejection(3, "CCO", "duplicate"), Rejection(2, "[C][C][Br]", "rare token [Br]")]
    assert seen[second] == [Rejection(3, "[C][C][I]", "rare token [I]")]
    assert [(t.read, t.kept) for t in tallies.values()] == [(4, 2), (3, 2)]


def test_a_file_with_nothing_but_rare_tokens_is_an_error(tmp_path: Path) -> None:
    good = smi(tmp_path, MOLECULES, "good.smi")
    rare = smi(tmp_path, ["CCBr"], "rare.smi")
    with pytest.raises(FileError, match=r"rare\.smi.*1 x rare token \[Br\]"):
        prepare(Source((good, rare)), tallies_of(good, rare), min_count=5)


def test_one_molecule_is_enough(tmp_path: Path) -> None:
    vocabulary, data = prepare(*one(tmp_path), min_count=5)
    assert vocabulary.tokens == ("[C]",)
    assert (len(data), data.is_validation.tolist()) == (1, [False])


def one(folder: Path) -> tuple[Source, dict[Path, Tally]]:
    path = smi(folder, ["CCC"])
    return Source((path,)), tallies_of(path)


def test_a_given_vocabulary_rejects_what_it_does_not_know(tmp_path: Path) -> None:
    path = smi(tmp_path, ["CCO", "CCN"])
    tallies = tallies_of(path)
    vocabulary, data = prepare(Source((path,)), tallies, vocabulary=Vocabulary(("[C]", "[O]")))
    assert (len(vocabulary), len(data)) == (5, 1)
    assert tallies[path].rejected == {"unknown token [N]": 1}


def test_labels_stand_where_they_were_measured(tmp_path: Path) -> None:
    plain = smi(tmp_path, ["CCO", "CCC"])
    table = csv(tmp_path, [("CCO", "1.5"), ("CCN", ""), ("CCO", "2.5")])
    source = Source((plain, table), properties=("y",))
    _, data = prepared(source)
    assert [str(label) for label in data.labels[:, 0]] == ["nan", "nan", "1.5", "nan", "2.5"]
    assert data.keys[0] == data.keys[2] == data.keys[4]


def test_a_property_that_no_file_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="pKi"):
        prepared(Source((csv(tmp_path, [("CCO", "1")]),), properties=("pKi",)))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_set_does_not_depend_on_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    source = Source((smi(tmp_path, [*MOLECULES, "nonsense"]),))
    vocabulary, expected = prepared(source)
    monkeypatch.setattr(reading, "CHUNK_ROWS", chunk)
    again, data = prepared(source)
    assert again == vocabulary
    assert is_same(data, expected)


def test_the_set_does_not_depend_on_the_number_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_ROWS", 5)
    path = smi(tmp_path, [*MOLECULES, "nonsense"])
    alone, together = tallies_of(path), tallies_of(path)
    vocabulary, expected = prepare(Source((path,)), alone, min_count=1)
    again, data = prepare(Source((path,), workers=2), together, min_count=1)
    assert again == vocabulary
    assert is_same(data, expected)
    assert together == alone


@pytest.mark.parametrize("split_by", ["random", "scaffold"])
def test_who_is_kept_out_does_not_depend_on_the_order_of_rows(tmp_path: Path, split_by: Split) -> None:
    rows = [(smiles, str(i)) for i, smiles in enumerate(MOLECULES)]
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    plain = smi(tmp_path, [f"CC{s}" for s in MOLECULES])
    sets = [
        prepared(Source((plain, csv(tmp_path, order, name)), properties=("y",)), split_by)[1]
        for order, name in ((rows, "rows.csv"), (shuffled, "shuffled.csv"))
    ]
    assert kept_out(sets[0]) == kept_out(sets[1])
    assert kept_out(sets[0])


def test_a_scaffold_is_kept_out_whole(tmp_path: Path) -> None:
    rows = [(smiles, "1") for smiles in MOLECULES]
    _, data = prepared(Source((csv(tmp_path, rows),), properties=("y",)), "scaffold")
    scaffolds = [MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(s)) for s in MOLECULES]
    out = {s for s, is_out in zip(scaffolds, data.is_validation, strict=True) if is_out}
    trained = {s for s, is_out in zip(scaffolds, data.is_validation, strict=True) if not is_out}
    assert out
    assert not out & trained


KEYS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=60).map(lambda k: np.array(k, dtype=np.uint64))


@given(KEYS, st.sampled_from([random_split, scaffold_split]), st.floats(0, 0.9))
def test_a_split_takes_equal_keys_together_and_never_all(
    keys: np.ndarray, split: Callable[[np.ndarray, float], np.ndarray], share: float
) -> None:
    is_out = split(keys, share)
    assert not is_out.all()
    for key in np.unique(keys):
        assert len(set(is_out[keys == key])) == 1


@given(KEYS, st.randoms(use_true_random=False), st.sampled_from(["random", "scaffold"]))
def test_a_molecule_is_on_one_side_only(keys: np.ndarray, random: object, split_by: Split) -> None:
    keys = keys % np.uint64(40)
    is_labelled = np.array([random.random() < 0.5 for _ in keys])  # type: ignore[attr-defined]
    is_out = validation_rows(keys, keys % np.uint64(7), is_labelled, split_by)
    assert not is_out.all()
    assert not set(keys[is_out]) & set(keys[~is_out])


def test_shares_are_a_twentieth_and_a_tenth() -> None:
    keys = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    labels = np.arange(20_000) < 10_000
    is_out = validation_rows(keys, keys, labels, "random")
    assert (is_out[labels].sum(), is_out[~labels].sum()) == (1000, 500)
    many = np.arange(100_000, dtype=np.uint64)
    assert validation_rows(many, many, np.zeros(100_000, dtype=bool), "random").sum() == 2000


def small() -> TokenSet:
    return TokenSet(
        tokens=np.array([3, 4, 5], dtype=np.uint16),
        offsets=np.array([0, 1, 3]),
        labels=np.array([[1.0], [np.nan]], dtype=np.float32),
        keys=np.array([7, 8], dtype=np.uint64),
        fingerprints=np.array([[1, 2], [3, 4]], dtype=np.uint8),
        is_validation=np.array([False, True]),
    )


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    small().save(tmp_path / "data.npz")
    assert is_same(TokenSet.load(tmp_path / "data.npz"), small())
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens", np.array([3, 4], dtype=np.uint16)),
        ("tokens", np.array([3, 4, 2], dtype=np.uint16)),
        ("tokens", np.array([3, 4, 5])),
        ("offsets", np.array([0, 0, 3])),
        ("offsets", np.array([0, 4, 3])),
        ("offsets", np.array([1, 2, 3])),
        ("offsets", np.array([0.0, 1.0, 3.0])),
        ("labels", np.zeros((1, 1), dtype=np.float32)),
        ("labels", np.zeros(2, dtype=np.float32)),
        ("keys", np.zeros(3, dtype=np.uint64)),
        ("fingerprints", np.zeros((3, 2), dtype=np.uint8)),
        ("is_validation", np.array([0, 1])),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, value: np.ndarray, tmp_path: Path) -> None:
    arrays = vars(small()) | {name: value}
    with pytest.raises(ValueError, match=r"must|special"):
        TokenSet(**arrays)
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(FileError, match="not a token set"):
        TokenSet.load(tmp_path / "data.npz")


def test_pickled_arrays_are_never_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **vars(small()) | {"keys": np.array([print, print])})
    with pytest.raises(FileError, match="not a token set"):
        TokenSet.load(tmp_path / "data.npz")


def test_other_files_are_not_token_sets(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with pytest.raises(FileError, match="not a token set"):
        TokenSet.load(path)
    for content in (b"", b"junk" * 99, b"\x80\x04K\x01."):
        path.write_bytes(content)
        with pytest.raises(FileError, match="not a token set"):
            TokenSet.load(path)
    with path.open("wb") as handle:
        np.save(handle, np.arange(3))
    with pytest.raises(FileError, match="not a token set"):
        TokenSet.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tokens.npy", b"junk")
    with pytest.raises(FileError, match="not a token set"):
        TokenSet.load(path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_a_file_error_or_still_a_token_set(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "data.npz"
    small().save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(FileError):
        TokenSet.load(path)
