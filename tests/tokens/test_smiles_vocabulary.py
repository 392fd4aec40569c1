"""SMILES as tokens: nothing is lost between text and ids, and pieces never split a symbol."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.errors import MoleculeError
from molgen.tokens.bpe import MAX_SYMBOLS
from molgen.tokens.selfies_vocabulary import EOS, MAX_VOCABULARY, PAD
from molgen.tokens.smiles_vocabulary import SmilesVocabulary, split_smiles

MOLECULES = 300 * ["c1ccc(Cl)cc1", "Clc1ccccc1Br", "C[C@@H](N)C(=O)[O-]", "C1CCCCC%10CC%10C1", "CC(=O)Nc1ccc(O)cc1"]


@pytest.fixture(scope="module")
def tokens() -> SmilesVocabulary:
    return SmilesVocabulary.from_smiles(MOLECULES, 30)


@pytest.mark.parametrize(
    ("smiles", "symbols"),
    [
        ("ClCBr", ["Cl", "C", "Br"]),
        ("[nH]1cccc1", ["[nH]", "1", "c", "c", "c", "c", "1"]),
        ("C%12C", ["C", "%12", "C"]),
        ("[C@@H]", ["[C@@H]"]),
        ("", []),
    ],
)
def test_symbols_are_atoms_bonds_brackets_and_ring_numbers(smiles: str, symbols: list[str]) -> None:
    assert split_smiles(smiles) == symbols


@given(st.text(max_size=40))
def test_symbols_together_are_the_text(text: str) -> None:
    assert "".join(split_smiles(text)) == text


def test_text_comes_back_from_its_ids_and_pieces_make_it_short(tokens: SmilesVocabulary) -> None:
    for smiles in set(MOLECULES):
        ids = tokens.ids(smiles).tolist()
        assert tokens.text([*ids, EOS, PAD]) == smiles
        assert len(ids) < len(split_smiles(smiles)) / 2


@given(st.lists(st.sampled_from(split_smiles("".join(MOLECULES[:5]))), max_size=30))
def test_any_run_of_known_symbols_has_ids_of_the_longest_tokens(tokens: SmilesVocabulary, symbols: list[str]) -> None:
    text = "".join(symbols)
    said = [tokens.text([i]) for i in tokens.ids(text).tolist()]
    assert "".join(said) == text
    for token, following in pairwise(said):
        is_whole = len(split_smiles(token)) == MAX_SYMBOLS
        assert is_whole or token + split_smiles(following)[0] not in tokens.tokens


def test_an_unknown_symbol_is_named(tokens: SmilesVocabulary) -> None:
    with pytest.raises(MoleculeError, match=r"unknown symbol \[Na\+\]"):
        tokens.ids("C[Na+]")


def test_rare_symbols_have_no_token() -> None:
    assert "[2H]" not in SmilesVocabulary.from_smiles([*MOLECULES, "C[2H]"], 5).tokens


@pytest.mark.parametrize(
    "tokens",
    [
        (),
        ("N", "C"),
        ("C", "C"),
        ("",),
        ("C" * (MAX_SYMBOLS + 1),),
        ("[" + "C" * 300 + "]",),
        tuple(sorted(f"[{i}C]" for i in range(MAX_VOCABULARY))),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"token|SMILES"):
        SmilesVocabulary(tokens)
