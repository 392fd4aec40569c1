"""What the tokeniser must hold: lossless for real molecules, stable, and no trace left in global state."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import selfies
from hypothesis import given
from hypothesis import strategies as st

from molgen.chem.molecule import parse
from molgen.errors import MoleculeError
from molgen.tokens.selfies_vocabulary import (
    BOS,
    DEFAULT_CONSTRAINTS,
    EOS,
    MAX_VOCABULARY,
    N_SPECIAL,
    PAD,
    Vocabulary,
    pad,
    semantic_constraints,
    split,
    to_selfies,
)

# SMILES of approved drugs as in their PubChem records: rings, charges, stereocentres, double-bond geometry.
DRUGS = """\
CC(=O)OC1=CC=CC=C1C(=O)O
CC(C)CC1=CC=C(C=C1)C(C)C(=O)O
CC(=O)NC1=CC=C(C=C1)O
CN1C=NC2=C1C(=O)N(C(=O)N2C)C
CN(C)C(=N)N=C(N)N
CN1C2CCC1C(C(C2)OC(=O)C3=CC=CC=C3)C(=O)OC
CN1CC[C@]23[C@@H]4[C@H]1CC5=C2C(=C(C=C5)O)O[C@H]3[C@H](C=C4)O
CC1([C@@H](N2[C@H](S1)[C@@H](C2=O)NC(=O)CC3=CC=CC=C3)C(=O)O)C
C[C@]12CC[C@H]3[C@H]([C@@H]1CC[C@@H]2O)CCC4=CC(=O)CC[C@]34C
C[C@]12CC[C@H]3[C@H]([C@@H]1CCC2=O)CCC4=C3C=CC(=C4)O
CC(C)NCC(COC1=CC=CC2=CC=CC=C21)O
CN1C(=O)CN=C(C2=C1C=CC(=C2)Cl)C3=CC=CC=C3
CNCCC(C1=CC=CC=C1)OC2=CC=C(C=C2)C(F)(F)F
CN[C@H]1CC[C@H](C2=CC=CC=C12)C3=CC(=C(C=C3)Cl)Cl
CN1CCN(CC1)C2=NC3=C(C=CC(=C3)Cl)NC4=CC=CC=C42
CC1=C(C=C(C=C1)NC(=O)C2=CC=C(C=C2)CN3CCN(CC3)C)NC4=NC=CC(=N4)C5=CN=CC=C5
COCCOC1=C(C=C2C(=C1)C(=NC=N2)NC3=CC=CC(=C3)C#C)OCCOC
COC1=C(C=C2C(=C1)N=CN=C2NC3=CC(=C(C=C3)F)Cl)OCCCN4CCOCC4
CCCC1=NN(C2=C1N=C(NC2=O)C3=C(C=CC(=C3)S(=O)(=O)N4CCN(CC4)C)OCC)C
CC1=C(C(CCC1)(C)C)/C=C/C(=C/C=C/C(=C/C(=O)O)/C)/C
CC(=O)OCC[N+](C)(C)C
C[N+](C)(C)CC(CC(=O)[O-])O
C[N+]1=CC=CC=C1/C=N/O
CCCCCCCCCCCCCCCC[N+]1=CC=CC=C1
C1=CC(=C[N+](=C1)[O-])C(=O)O
C1=CC(=CC=C1[C@H]([C@@H](CO)NC(=O)C(Cl)Cl)O)[N+](=O)[O-]
COC(=O)C1=C(NC(=C(C1C2=CC=CC=C2[N+](=O)[O-])C(=O)OC)C)C
CC1=NC=C(N1CCO)[N+](=O)[O-]
C1=CC=C2C(=C1)C(=O)NS2(=O)=O
CC1=CC(=NO1)NS(=O)(=O)C2=CC=C(C=C2)N
NS(=O)(=O)C1=C(Cl)C=C2NCNS(=O)(=O)C2=C1
CC1=CN([C@@H]2C[C@@H](N=[N+]=[N-])[C@H](CO)O2)C(=O)NC1=O
C1=CN(C(=O)N=C1N)[C@H]2[C@H]([C@@H]([C@H](O2)CO)O)O
C1=NC2=C(N1COCCO)N=C(NC2=O)N
C1=C(C(=O)NC(=O)N1)F
CC(C)(C)NCC(C1=CC(=C(C=C1)O)CO)O
CCN(CC)CC(=O)NC1=C(C=CC=C1C)C
CCN(CC)CCNC(=O)C1=CC=C(C=C1)N
CC(CC1=CC=CC=C1)N
C[C@@H]([C@@H](C1=CC=CC=C1)O)NC
CCOC(=O)C1(CCN(CC1)C)C2=CC=CC=C2
CC(C)[C@@H]1CC[C@@H](C)C[C@H]1O
COC1=CC2=C(C=C1)N=C(N2)S(=O)CC3=NC=C(C(=C3C)OC)C
CN/C(=C\\[N+](=O)[O-])/NCCSCC1=CC=C(O1)CN(C)C
C1CC1N2C=C(C(=O)C3=CC(=C(C=C32)N4CCNCC4)F)C(=O)O
C[C@H](CCC(=O)O)[C@H]1CC[C@@H]2[C@@]1(CC[C@H]3[C@H]2CC[C@H]4[C@@]3(CC[C@H](C4)O)C)C
CC(C)C1=C(C(=C(N1CC[C@H](C[C@H](CC(=O)O)O)O)C2=CC=C(C=C2)F)C3=CC=CC=C3)C(=O)NC4=CC=CC=C4
C(CC(=O)O)C(C(=O)O)N
C[C@H]1OC(=O)C=C1
C1CN(CCN1)C2=NC=CC=N2
OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O""".splitlines()


def vocabulary_of(smiles: list[str]) -> Vocabulary:
    texts = [to_selfies(parse(s).smiles) for s in smiles]
    counts = {token: 1 for text in texts for token in split(text)}
    return Vocabulary.from_counts(counts, min_count=1)


VOCABULARY = vocabulary_of(DRUGS)


@pytest.mark.parametrize("drug", DRUGS)
def test_a_drug_survives_the_way_to_ids_and_back(drug: str) -> None:
    canonical = parse(drug).smiles
    ids = VOCABULARY.tokenise(canonical)
    assert ids.dtype == np.uint16
    assert (ids >= N_SPECIAL).all()
    assert parse(VOCABULARY.to_smiles(ids.tolist())).smiles == canonical


def test_the_vocabulary_does_not_depend_on_the_order_of_counting() -> None:
    assert vocabulary_of(DRUGS[::-1]) == VOCABULARY
    assert list(VOCABULARY.tokens) == sorted(VOCABULARY.tokens)


def test_tokens_below_the_minimum_count_are_left_out() -> None:
    counts = {"[C]": 9, "[N]": 5, "[O]": 4}
    assert Vocabulary.from_counts(counts, min_count=5).tokens == ("[C]", "[N]")


def test_a_vocabulary_of_a_hostile_file_keeps_the_most_frequent_tokens() -> None:
    counts = {f"[{mass}C]": mass for mass in range(1, MAX_VOCABULARY + 100)}
    vocabulary = Vocabulary.from_counts(counts, min_count=1)
    assert len(vocabulary) == MAX_VOCABULARY
    assert "[1C]" not in vocabulary.tokens
    assert f"[{MAX_VOCABULARY + 99}C]" in vocabulary.tokens


@pytest.mark.parametrize(
    "tokens",
    [(), ("[O]", "[C]"), ("[C]", "[C]"), ("foo",), ("[C",), ("[C]N",), ("[CH9]",), ("[Xx]",), ("",)],
)
def test_a_vocabulary_that_cannot_be_used_is_refused(tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"sorted|token|symbols|decode"):
        Vocabulary(tokens)


@pytest.mark.parametrize("constraints", [{}, {"C": 4}, {"?": -1}, {"?": 8, "Zz": 1}])
def test_constraints_that_selfies_refuses_are_refused(constraints: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"bond_constraints"):
        Vocabulary(("[C]",), constraints)


def test_an_unknown_token_is_named() -> None:
    with pytest.raises(MoleculeError) as caught:
        Vocabulary(("[C]",)).tokenise("CCBr")
    assert caught.value.reason == "unknown token [Br]"


@pytest.mark.parametrize("smiles", ["F[U](F)(F)(F)(F)(F)(F)(F)F", "CN(C)(C)C", "not a smiles", "C1CC", "*"])
def test_what_selfies_cannot_express_is_a_molecule_error(smiles: str) -> None:
    with pytest.raises(MoleculeError) as caught:
        to_selfies(smiles)
    assert caught.value.reason == "SELFIES cannot express it"


def test_decoding_stops_at_the_first_end_and_skips_other_specials() -> None:
    carbon = VOCABULARY.tokenise("C").item()
    assert VOCABULARY.to_smiles([BOS, carbon, PAD, carbon, EOS, carbon]) == "CC"
    assert VOCABULARY.to_smiles([]) == ""


def test_what_is_too_long_is_cut() -> None:
    vocabulary = Vocabulary(("[C]", "[C][C][O]", "[N]"))
    ids = [vocabulary.tokens.index(token) + N_SPECIAL for token in ("[C][C][O]", "[N]", "[C][C][O]", "[C]")]
    assert [vocabulary.to_smiles(ids, n) for n in (2, 3, 4, 6, 7, 8)] == [
        "", "CCO", "CCON", "CCON", "CCONCCO", "CCONCCOC",
    ]  # fmt: skip


@given(st.lists(st.integers(0, len(VOCABULARY) - 1), max_size=60))
def test_any_ids_decode_to_text(ids: list[int]) -> None:
    assert isinstance(VOCABULARY.to_smiles(ids), str)


def test_constraints_hold_inside_the_block_only() -> None:
    tight = {**DEFAULT_CONSTRAINTS, "C": 1}
    before = selfies.get_semantic_constraints()
    with semantic_constraints(tight):
        assert selfies.decoder("[C][C][C]") == "CC"
    assert selfies.get_semantic_constraints() == before
    assert selfies.decoder("[C][C][C]") == "CCC"


def fail_inside(constraints: dict[str, int]) -> None:
    with semantic_constraints(constraints):
        raise KeyError


def test_constraints_are_restored_after_an_exception() -> None:
    before = selfies.get_semantic_constraints()
    with pytest.raises(KeyError):
        fail_inside({**DEFAULT_CONSTRAINTS, "N": 1})
    assert selfies.get_semantic_constraints() == before


def test_a_vocabulary_decodes_under_its_own_constraints() -> None:
    tight = Vocabulary(("[C]", "[O]"), {**DEFAULT_CONSTRAINTS, "O": 1})
    ids = Vocabulary(("[C]", "[O]")).tokenise("COC").tolist()
    assert tight.to_smiles(ids) == "CO"
    with pytest.raises(MoleculeError):
        tight.tokenise("COC")
    assert Vocabulary(("[C]", "[O]")).to_smiles(ids) == "COC"


def test_vocabularies_of_different_constraints_work_in_threads_at_the_same_time() -> None:
    plain = Vocabulary(("[C]", "[O]"))
    tight = Vocabulary(("[C]", "[O]"), {**DEFAULT_CONSTRAINTS, "O": 1})
    ids = plain.tokenise("COC").tolist()
    before = selfies.get_semantic_constraints()

    def work(vocabulary: Vocabulary) -> Counter[str]:
        return Counter(vocabulary.to_smiles(ids) for _ in range(2000))

    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(work, [plain, tight, plain, tight]))
    assert texts == 2 * [Counter(COC=2000), Counter(CO=2000)]
    assert selfies.get_semantic_constraints() == before


@given(st.lists(st.lists(st.integers(3, 60000), min_size=1, max_size=9), max_size=5))
def test_padding_keeps_every_sequence(sequences: list[list[int]]) -> None:
    ids, lengths = pad([np.array(s, dtype=np.uint16) for s in sequences])
    assert [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)] == sequences
    assert all((row[n:] == PAD).all() for row, n in zip(ids, lengths, strict=True))
