"""Stability: each alert finds what it is named after, and none finds what stands on a pharmacist's shelf."""

from __future__ import annotations

from itertools import chain

import pytest
from rdkit import Chem

from molgen.chem.molecule import parse
from molgen.chem.stability import ALERTS, BRIDGEHEAD, Alert, find_unstable_groups
from molgen.paths import find_shipped

UNSTABLE = {
    "cyclobutadiene": ["CC1=CC=C1C", "C1=Cc2ccccc21", "C1=NC=C1"],
    "pentalene": ["C1=CC2=CC=CC2=C1"],
    "oxepine, thiepine or azepine": ["C1=CC=COC=C1", "CC1=CC=CSC=C1", "CN1C=CC=CC=C1"],
    "dioxine or 1,4-dihydropyrazine": ["C1=COC=CO1", "CN1C=CN(C)C=C1"],
    "cyclopropene": ["CC1=CC1"],
    "unsaturated three-membered heterocycle": ["C1=CO1", "CC1=NC1", "CC1N=N1"],
    "three-membered ring with two heteroatoms": ["CC1NN1", "CC1OO1", "CC1ON1C"],
    "unsaturated four-membered heterocycle": ["C1=COC1", "CC1=NCC1"],
    "cyclopropanone": ["CC1CC1=O"],
    "hydrate of a phenol": ["O=C1CC(O)Cc2ccccc21", "O=C1CC(O)CC=C1", "O=C1CC(O)c2ccccc2C1"],
    "alkyne in a small ring": ["C1#CCCCC1"],
    "allene in a small ring": ["C1=C=CCCC1"],
    "cyclopentadiene": ["CC1C=CC=C1"],
    "fulvene": ["CC=C1C=CC=C1"],
    "cyclopentadienone": ["O=C1C=CC=C1"],
    "isomer of an azole": ["C1C=CC=N1", "C1N=CC=N1", "CC1N=CC=C1", "CC1C=NC=C1"],
    "isomer of an indole or an isoindole": ["C1C=Nc2ccccc21", "C1N=Cc2ccccc21"],
    "isobenzofuran or isoindole": ["c1ccc2cocc2c1", "Cn1cc2ccccc2c1"],
    "isomer of a phenol, an aniline or a methylarene": [
        "O=C1C=CC=CC1",
        "O=C1C=CCC=C1",
        "C=C1C=CC=CC1",
        "N=C1C=CCC=C1",
        "O=C1CC=Cc2ccccc21",
        "O=C1CN=Cc2ccccc21",
        "O=C1C=Cc2ccccc2C1",
        "O=C1C=CCc2ccccc21",
        "O=C1c2ccccc2CC=C1",
    ],
    "cyclohexadiene": ["CC1C=CCC=C1", "CC1CC=CC=C1", "C1CN=CC=N1"],
    "dihydropyridine without an acceptor": ["C1C=CNC=C1", "C1C=CC=CN1"],
    "2H-pyran": ["CC1C=CC=CO1"],
    "quinone methide, quinone imine or o-quinone": [
        "C=C1C=CC(=O)C=C1",
        "CN=C1C=CC(=O)C=C1",
        "O=C1C=CC=CC1=O",
        "C=C1C=CC=CC1=O",
    ],
    "hemiaminal": ["CC(O)NC", "CC(O)n1cccn1", "CC(O)NC(C)=O", "OC1CCCN1C"],
    "hemiacetal or hydrate": ["CC(O)OC", "CC(O)O", "OC1CO1"],
    "hemithioacetal": ["CC(O)SC", "CC(S)OC"],
    "aminal": ["CC(N)OC", "CC(N)N", "CNC(C)NC", "CN(C)COC", "CN(C)COc1ccccc1", "CN1CCOC1", "CN1CCNC1", "CN(C)CNC(C)=O"],
    "orthoester": ["COC(C)(OC)OC"],
    "alpha-halo ether, thioether or amine": ["COCCl", "CSCCl", "COCF", "CN(C)C(F)F", "ClCn1cccn1"],
    "ketene acetal": ["C=C(OC)OC"],
    "enol or enethiol": ["CC(O)=C", "CC(S)=C", "OC1=CCCCC1"],
    "enamine": ["CC(N)=C", "CNC=C", "C1CC=CNC1", "CN1C=CCC1"],
    "imine": ["CC(C)=N", "C=NC", "CC=NC", "CC=Nc1ccccc1", "CC(C)=NC"],
    "ynol ether or ynamine": ["COC#CC", "CN(C)C#CC"],
    "ketene, isocyanate or carbodiimide": ["CC=C=O", "CN=C=O", "CN=C=NC", "CC=C=S", "CC=C=C=C"],
    "thioketone or thioaldehyde": ["CC(C)=S", "CC=S=O"],
    "polyyne or terminal diyne": ["CC#CC#CC#CC", "CC#CC#C"],
    "polyene": ["CC=CC=CC=CC=CC"],
    "alkoxide or thiolate": ["CC[O-]", "CC[S-]"],
    "carbanion": ["C[CH-]C"],
    "amide anion": ["C[N-]C"],
    "carbocation, oxonium or nitrenium ion": ["C[CH+]C", "C[O+](C)C", "C[NH+]"],
    "iminium ion": ["CC=[N+](C)C"],
    "peroxide": ["COOC", "COO"],
    "chain of three nitrogens": ["CN(C)N(C)N(C)C", "CN(C)N=NC"],
    "hydrazine": ["CCNN", "CNNC", "CNN1CCCCC1"],
    "N-hydroxy amine": ["CN(C)O", "CNO", "ONc1ccccc1"],
    "aziridine, epoxide or thiirane": ["CN1CC1", "CC1CO1", "CC1CS1"],
    "four-membered ring with two heteroatoms": ["CN1COC1", "CN1C(=O)NC1=O", "C1CON1C"],
    "N-O-N or O-N-O": ["CN(C)ON(C)C", "CON(C)OC"],
    "sulfenyl": ["CSOC", "CSN(C)C"],
    "chain of three sulfurs": ["CSSSC"],
    "heteroatom halide": ["Cln1cccc1", "CN(C)Cl", "COCl", "CSCl", "CP(C)Cl", "C[Si](C)(C)Cl"],
    "nitroso or nitrite": ["CC(C)N=O", "CON=O", "O=Nc1ccccc1"],
    "azoalkane or diazene": ["CN=NC", "N=NC"],
    "diazo or diazonium": ["CC(C)=[N+]=[N-]", "N#[N+]c1ccccc1"],
    "hydride or amide of boron, silicon or phosphorus": ["C[SiH](C)C", "CPC", "CB(C)C", "C[Si](C)(C)N(C)C"],
    "sulfurane": ["CS(C)(C)C"],
    "acyl halide": ["CC(=O)Cl", "CS(=O)(=O)Cl", "COC(=O)Cl"],
    "anhydride, activated ester or azolide": [
        "CC(=O)OC(C)=O",
        "O=C1OC(=O)c2ccccc21",
        "CC(=O)OS(C)(=O)=O",
        "CC(=O)ON(C)C",
        "CC(=O)On1nnc2ccccc21",
        "CC(=O)n1ccnc1",
    ],
    "acyl azide or cyanide": ["CC(=O)N=[N+]=[N-]", "CC(=O)C#N"],
    "carbamic, carbonic or beta-keto acid": ["CNC(=O)O", "COC(=O)O", "CC(=O)CC(=O)O"],
    BRIDGEHEAD: ["C1=C2CCC(C1)CC2", "C1C2=CCC(C1)C2", "C1Cc2ccc1cc2"],
}
"""Molecules that an alert must find, by its name."""

PATTERNS = {alert.name: [Chem.MolFromSmarts(text) for text in alert.smarts] for alert in ALERTS}
STABLE = [
    *("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CC(=O)Nc1ccc(O)cc1"),  # aspirin, caffeine, paracetamol
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",  # diazepam: an imine in a ring, conjugated
    "COC(=O)C1=C(C)NC(C)=C(C(=O)OC)C1c1ccccc1[N+](=O)[O-]",  # nifedipine: a dihydropyridine with acceptors
    "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O",  # penicillin G: N and S on one carbon, acylated
    "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O",  # glucose: a lactol
    "CC12CCC(=O)C=C1CCC1C2CCC2(C)C1CCC2O",  # testosterone
    "NC(=O)N1c2ccccc2C=Cc2ccccc21",  # carbamazepine: an azepine between benzene rings
    "O=C(NN)c1ccncc1",  # isoniazid: an acyl hydrazide
    "CC(=O)N1CCOC1",  # an acylated oxazolidine
    "O=C1NCN(c2ccccc2)C12CCNCC2",  # the imidazolidinone of spiperone
    "CN1CCN(N2CCOCC2)CC1",
    "CC#CC#CC",
    "O=C1CCC(O)c2ccccc21",
    "O=C1CC(O)CCC1",
    "CN(C)C(=O)n1ccnc1",
    "CC(=O)n1ccc2ccccc21",
    "CN(C)C(=N)NC(=N)N",  # metformin
    "CCOC(=O)C1=C(COCCN)NC(C)=C(C(=O)OC)C1c1ccccc1Cl",  # amlodipine
    "NC(N)=Nc1nc(CSCCC(N)=NS(N)(=O)=O)cs1",  # famotidine
    "CN/C(=C/[N+](=O)[O-])NCCSCc1ccc(CN(C)C)o1",  # ranitidine: an enamine with an acceptor
    "CC(=O)CC(C)=O",
    "CC(O)=CC(C)=O",  # the enol of a 1,3-diketone
    "O=C1C=CC(=O)c2ccccc21",  # naphthoquinone
    "C[N+](C)(C)CC([O-])=O",
    "OC(O)C(F)(F)F",  # fluoral hydrate
    "FC(F)(F)Oc1ccccc1",
    "FC(F)Oc1ccccc1",
    "O=S(=O)(F)c1ccccc1",  # a sulfonyl fluoride
    "FS(F)(F)(F)(F)c1ccccc1",
    "C1OCCO1",  # an acetal
    "CC1(C)OCC(CO)O1",
    "O=C1CCC2CCC1C2",  # a bicyclic ketone: no double bond within the bicycle at its bridgehead
    "C1=CC2CCC1C2",  # norbornene
    "C1CC2CCC1CN2",
    "c1ccc2[nH]ccc2c1",
    "C1=Cc2ccccc2C1",  # indene
    "c1ccc2c(c1)Cc1ccccc1-2",  # fluorene
    "c1ccc2c(c1)-c1ccccc1-2",  # biphenylene
    "O=C1c2ccccc2Cc2ccccc21",  # anthrone
    "Cc1ccno1",
    "CN1N=C(C)CC1=O",  # a pyrazolone
    "[O-][n+]1ccccc1",
    "C[N+]#[C-]",
    "CN=[N+]=[N-]",
    "c1nn[nH]n1",
    "O=[N+]([O-])c1ccccc1",
    "CON=C(C)C",
    "ONC(C)=O",
    "NNc1ccccc1",
    "C=CC=CC=C",
    "CC(C)(C)OC(=O)NC",
    "OB(O)c1ccccc1",
    "C[Si](C)(C)C",
    "CP(C)(C)=O",
    "CSSC",
]


@pytest.mark.parametrize(("name", "smiles"), [(name, text) for name, texts in UNSTABLE.items() for text in texts])
def test_an_alert_finds_what_it_is_named_after(name: str, smiles: str) -> None:
    assert name in find_unstable_groups(parse(smiles).mol)


@pytest.mark.parametrize("smiles", STABLE)
def test_what_can_be_bought_is_stable(smiles: str) -> None:
    assert find_unstable_groups(parse(smiles).mol) == ()


def test_every_alert_has_a_reason_a_name_of_its_own_and_an_example() -> None:
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)
    assert {alert.name for alert in ALERTS} | {BRIDGEHEAD} == set(UNSTABLE)
    assert all(alert.reason and alert.smarts for alert in ALERTS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_pattern_has_an_example(alert: Alert) -> None:
    examples = [parse(text).mol for text in UNSTABLE[alert.name]]
    for text, pattern in zip(alert.smarts, PATTERNS[alert.name], strict=True):
        assert any(mol.HasSubstructMatch(pattern) for mol in examples), text


def test_looking_first_for_what_alerts_have_in_common_misses_nothing() -> None:
    texts = [line.strip() for line in (find_shipped("data") / "moses_sample.csv").read_text().splitlines()[1:200]]
    for text in chain(texts, STABLE, *UNSTABLE.values()):
        mol = parse(text).mol
        found = {name for name, patterns in PATTERNS.items() if any(map(mol.HasSubstructMatch, patterns))}
        assert set(find_unstable_groups(mol)) - {BRIDGEHEAD} == found, text


def test_a_bridge_that_is_long_enough_allows_a_double_bond() -> None:
    small, large = "C1=C2CCCC(C1)CC2", "C1=C2CCCCC(CCCC1)CCCC2"
    assert BRIDGEHEAD in find_unstable_groups(parse(small).mol)
    assert BRIDGEHEAD not in find_unstable_groups(parse(large).mol)
