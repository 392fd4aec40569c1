"""What a SMILES text becomes: canonical, stable, independent of how it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from molgen.chem.molecule import (
    MAX_SMILES_LENGTH,
    Molecule,
    Policy,
    fingerprint,
    molblock_to_smiles,
    parse,
    tanimoto,
    tanimoto_to_many,
)
from molgen.errors import MoleculeError

# Drugs and salts with stereo centres, double-bond stereo, charges, isotopes, cages and tautomers.
REAL = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[N+](C)(C)CCOC(C)=O",
    "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5",
    "O=C(O)/C=C/C(=O)O",
    "CC(C)C[C@H](NC(=O)[C@@H](N)CCC(=O)O)C(=O)N[C@@H](Cc1ccccc1)C(=O)[O-]",
    "NC12CC3CC(CC(C3)C1)C2",
    "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "CCCc1nn(C)c2c(=O)[nH]c(-c3cc(S(=O)(=O)N4CCN(C)CC4)ccc3OCC)nc12",
    "[2H]C([2H])([2H])Oc1ccc([N+](=O)[O-])cc1",
    "C[N+]1(C)CCCC1.[O-]c1ccccc1.O=C([O-])CCC([O-])=O",
    "C[C@H]1CC[C@@H](C)CC1",
    "CN.OS(=O)(=O)O.CO",
    "O=[n+]1cc[n-]cc1",
    "F/C(Cl)=C(/F)C=C=CC#N",
    "C1=CC2C=CC1C=C2.c1ccc2ccccc2c1",
)
POLICIES = (
    Policy(),
    Policy(fragment="keep"),
    Policy(charge="neutralise"),
    Policy(stereo="drop"),
    Policy(fragment="keep", charge="neutralise", stereo="drop"),
)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@given(smiles=st.sampled_from(REAL), seed=st.integers(1, 10_000))
def test_the_result_is_independent_of_the_atom_order_and_parses_to_itself(
    policy: Policy, smiles: str, seed: int
) -> None:
    (shuffled,) = Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), 1, randomSeed=seed)
    molecule = parse(shuffled, policy)
    assert molecule == parse(smiles, policy)
    assert parse(molecule.smiles, policy) == molecule
    assert Chem.MolToSmiles(molecule.mol) == molecule.smiles


def outcome(text: str) -> Molecule | MoleculeError:
    try:
        return parse(text)
    except MoleculeError as error:
        return error


@given(st.text(max_size=40) | st.text("CNOcno()[]=#@/\\123+-.:%*$~H", max_size=40))
def test_any_text_is_a_stable_molecule_or_is_refused_with_a_reason(text: str) -> None:
    result = outcome(text)
    if isinstance(result, MoleculeError):
        assert result.reason
        assert result.text == text
    else:
        assert result.mol.GetNumHeavyAtoms() > 0
        assert parse(result.smiles) == result


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("C" * (MAX_SMILES_LENGTH + 1), "longer than 2000 characters"),
        ("C1CC", "not a SMILES"),
        ("C\0C", "not a SMILES"),
        ("caffeine", "not a SMILES"),
        ("Cé", "not a SMILES"),
        ("\ud800", "not a SMILES"),
        ("C(C)(C)(C)(C)C", "impossible valence or aromaticity"),
        ("c1cccc1", "impossible valence or aromaticity"),
        ("[H][H]", "no heavy atom"),
        ("[H+]", "no heavy atom"),
        ("*CC", "dummy atom or query"),
        ("C~C", "dummy atom or query"),
    ],
)
def test_what_is_no_usable_molecule_says_why(text: str, reason: str) -> None:
    with pytest.raises(MoleculeError) as caught:
        parse(text)
    assert caught.value.reason == reason


def test_a_canonical_form_too_long_to_read_again_is_refused() -> None:
    polyphenylene = "c1ccccc1" * 240  # canonical bonds between rings need a character each
    with pytest.raises(MoleculeError, match="longer than 2000"):
        parse(polyphenylene)


@pytest.mark.parametrize(
    ("text", "smiles"),
    [
        (" OCC \n", "CCO"),
        ("OCC ethanol", "CCO"),
        ("C[C@H](O)N |o1:1|", "C[C@@H](N)O"),
        ("[CH3:1][OH:2]", "CO"),
        ("[CH3:1][C@H](F)[CH3:2]", "CC(C)F"),
        ("[13CH3][2H]", "[2H][13CH3]"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("C1.C1", "CC"),
    ],
)
def test_how_a_text_is_read(text: str, smiles: str) -> None:
    assert parse(text).smiles == smiles


def test_the_largest_organic_fragment_is_taken_whatever_the_order() -> None:
    assert parse("CN.OS(=O)(=O)O").smiles == parse("OS(=O)(=O)O.CN").smiles == "CN"
    assert parse("CCO.CCN.CCS").smiles == parse("CCN.CCS.CCO").smiles == "CCS"
    assert parse("CC(=O)[O-].[Na+]").smiles == "CC(=O)[O-]"


def test_fragments_can_be_kept_or_rejected() -> None:
    assert parse("[Na+].CC(=O)[O-]", Policy(fragment="keep")).smiles == "CC(=O)[O-].[Na+]"
    assert parse("C1.C1", Policy(fragment="reject")).smiles == "CC"
    with pytest.raises(MoleculeError, match="several fragments"):
        parse("[Na+].CC(=O)[O-]", Policy(fragment="reject"))


def test_charges_are_removed_only_on_request_and_only_where_protons_can_do_it() -> None:
    neutral = Policy(charge="neutralise")
    assert parse("C[NH2+]CC(=O)[O-]").smiles == "C[NH2+]CC(=O)[O-]"
    assert parse("C[NH2+]CC(=O)[O-]", neutral).smiles == "CNCC(=O)O"
    assert parse("C[N+](C)(C)C", neutral).smiles == "C[N+](C)(C)C"
    assert parse("C[N+](=O)[O-]", neutral).smiles == "C[N+](=O)[O-]"


def test_a_neutralised_molecule_that_rdkit_cannot_read_again_is_refused() -> None:
    with pytest.raises(MoleculeError, match="cannot be re-read"):
        parse("c1cc[cH-]c1", Policy(charge="neutralise"))


def test_stereo_is_dropped_on_request_and_isotopes_stay() -> None:
    assert parse("F/C=C/[C@H](O)[13CH3]", Policy(stereo="drop")).smiles == parse("FC=CC(O)[13CH3]").smiles


def test_inchikeys_of_known_molecules() -> None:
    assert parse("CC(=O)Oc1ccccc1C(=O)O").inchikey == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"  # PubChem CID 2244
    assert parse("C[C@H](N)C(=O)O").inchikey == "QNAYBMKLOCPYGJ-REOHCLBHSA-N"  # PubChem CID 5950


def test_molecules_compare_and_hash_by_smiles() -> None:
    assert len({parse("OCC"), parse("CCO"), parse("CCN")}) == 2


def test_a_mol_block_gives_its_smiles_and_junk_a_reason() -> None:
    mol = Chem.MolFromSmiles("C[C@H](N)C(=O)O")
    assert molblock_to_smiles(Chem.MolToMolBlock(mol)) == Chem.MolToSmiles(mol)
    assert molblock_to_smiles(Chem.MolToV3KMolBlock(mol)) == Chem.MolToSmiles(mol)
    for junk in ("", "title only", "a\nb\nc\n  9 99\n", "\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n"):
        with pytest.raises(MoleculeError, match="not a mol block"):
            molblock_to_smiles(junk)


def test_similarity_is_one_with_itself_symmetric_and_the_same_in_bulk() -> None:
    prints = [fingerprint(parse(smiles).mol) for smiles in REAL]
    for one in prints:
        assert tanimoto(one, one) == 1.0
        singly = [tanimoto(other, one) for other in prints]
        assert tanimoto_to_many(one, prints).tolist() == singly
        assert min(singly) >= 0.0
    assert tanimoto_to_many(prints[0], []).shape == (0,)
