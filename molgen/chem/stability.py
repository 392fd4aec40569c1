"""Stability: groups that rearrange, dimerise, oxidise or hydrolyse during synthesis or storage.

The alerts mark compounds that cannot be made, stored or measured as drawn. Toxic or reactive groups that medicinal
chemists avoid are the subject of `chem.checks`. Some groups of marketed drugs, namely lactols, nitrate esters and acyl
hydrazides, are not included; others, such as epoxides and peroxides, are. Groups that their neighbours stabilise, such
as the enols of 1,3-diketones, are not included either.

Sources: the chapters on each group in Clayden, Greeves and Warren, Organic Chemistry, 2nd edition, 2012, and Smith,
March's Advanced Organic Chemistry, 7th edition, 2013; for bridgeheads see `MAX_BRIDGE_ATOMS`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache, reduce
from itertools import combinations

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogEntry, FilterMatchOps, SmartsMatcher

MAX_BRIDGE_ATOMS = 8
"""A double bond at a bridgehead is unstable if the three bridges of the bicycle have at most this many atoms together.

Source: Bredt's rule, Fawcett, Chem. Rev. 1950, 47, 219, where this sum is S: a stable one needs nine.
"""
BRIDGEHEAD = "double bond at a bridgehead"


@dataclass(frozen=True, slots=True)
class Alert:
    """A group that is not stable.

    Attributes:
        name: Its name in reports.
        reason: How it decomposes.
        smarts: Patterns, each of which matches the group or one form of it.
    """

    name: str
    reason: str
    smarts: tuple[str, ...]


_C_OR_N, _C_N_O_OR_S = "[#6,#7]", "[#6,#7,#8,#16]"
_NO_ACYL = "!$(N-[#6]=[O,S,N]);!$(N-C#N);!$(N-[S,P]=O)"
"""Excludes nitrogen whose electrons a carbonyl, nitrile, sulfonyl or phosphoryl group withdraws."""
_AMINE = f"{_NO_ACYL};!$(N~[#7,#8])"
"""Excludes the same, and nitrogen bonded to another nitrogen or to oxygen."""
_NO_ACCEPTOR = "!$(C-[#6]=[O,S,N]);!$(C-[#6]:[#7,#8,#16]);!$(C-C#N);!$(C-S=O);!$(C-[N+]);!$(C-P=O)"
"""Excludes enols and enamines with an electron-withdrawing group at the far end of the double bond."""
_NO_CF3 = "!$(C-C(F)(F)[F,#6])"
"""Excludes neighbours of perfluorinated carbon, where hydrates, hemiacetals and hemiaminals are stable."""
_HALOGEN = "[F,Cl,Br,I;X1]"

_SECTIONS: tuple[tuple[str, tuple[Alert, ...]], ...] = (
    (  # a ring with a double or triple bond
        "[#6,#7]=,#;@[#6,#7]",
        (
            Alert(
                "cyclobutadiene",
                "antiaromatic: dimerises at once",
                (f"{_C_OR_N}1={_C_OR_N}-{_C_OR_N}={_C_OR_N}-1", f"{_C_OR_N}1={_C_OR_N}-c:c-1"),
            ),
            Alert("pentalene", "antiaromatic: dimerises", ("C1=C-C2=C-C=C-C-2=C-1",)),
            Alert(
                "oxepine, thiepine or azepine",
                "antiaromatic: closes to an arene oxide or imine, or loses sulfur",
                ("[#7,#8,#16]1-C=C-C=C-C=C-1",),
            ),
            Alert("dioxine or 1,4-dihydropyrazine", "antiaromatic: oxidises", ("[#7X3,#8]1-C=C-[#7X3,#8]-C=C-1",)),
            Alert("cyclopropene", "strained: polymerises", ("C1=C-C-1",)),
            Alert(
                "unsaturated three-membered heterocycle",
                "strained: opens",
                ("[#6,#7]1=[#6,#7]-[#7,#8,#16]-1", "[#6]1=[#7]-[#6]-1", "[#7]1=[#7]-[#6]-1"),
            ),
            Alert(
                "unsaturated four-membered heterocycle",
                "strained: opens to a butadiene or an azabutadiene",
                ("[#6]1=[#6]-[#7,#8,#16]-[#6,#7,#8,#16]-1", "[#6]1=[#7]-[#6,#7,#8,#16]-[#6,#7,#8,#16]-1"),
            ),
            Alert("alkyne in a small ring", "strained: adds nucleophiles and dienes", ("[#6;r3,r4,r5,r6,r7]#[#6,#7]",)),
            Alert("allene in a small ring", "strained: dimerises", ("C=;@[C;r3,r4,r5,r6,r7,r8]=;@C",)),
            Alert("cyclopentadiene", "dimerises (Diels-Alder)", ("[#6X4;!H0]1-C=C-C=C-1",)),
            Alert("fulvene", "polymerises, oxidises", ("C1(=C)-C=C-C=C-1",)),
            Alert("cyclopentadienone", "dimerises (Diels-Alder)", ("C1(=[O,N,S])-C=C-C=C-1",)),
            Alert(
                "isomer of an azole",
                "tautomerises to the aromatic ring",
                (f"[#6X4;!H0]1-{_C_OR_N}={_C_OR_N}-{_C_OR_N}=N-1", "[#6X4;!H0]1-N=C-C=C-1", "[#6X4;!H0]1-C=N-C=C-1"),
            ),
            Alert(
                "isomer of an indole or an isoindole",
                "tautomerises to the aromatic ring",
                ("[#6X4;!H0]1-C=N-c:c-1", "[#6X4;!H0]1-N=C-c:c-1"),
            ),
            Alert(
                "isomer of a phenol, an aniline or a methylarene",
                "tautomerises to the aromatic ring",
                (
                    f"[#6X4;!H0]1-{_C_OR_N}(={_C_N_O_OR_S})-{_C_OR_N}={_C_OR_N}-{_C_OR_N}={_C_OR_N}-1",
                    f"[#6X4;!H0]1-{_C_OR_N}(={_C_N_O_OR_S})-{_C_OR_N}:{_C_OR_N}-{_C_OR_N}={_C_OR_N}-1",
                    f"[#6X4;!H0]1-{_C_OR_N}(={_C_N_O_OR_S})-{_C_OR_N}={_C_OR_N}-{_C_OR_N}:{_C_OR_N}-1",
                    f"[#6X4;!H0]1-{_C_OR_N}={_C_OR_N}-{_C_OR_N}(={_C_N_O_OR_S})-{_C_OR_N}={_C_OR_N}-1",
                    f"[#6X4;!H0]1-{_C_OR_N}:{_C_OR_N}-{_C_OR_N}(={_C_N_O_OR_S})-{_C_OR_N}={_C_OR_N}-1",
                    f"[#6X4;!H0]1-{_C_OR_N}={_C_OR_N}-{_C_OR_N}(={_C_N_O_OR_S})-{_C_OR_N}:{_C_OR_N}-1",
                ),
            ),
            Alert(
                "cyclohexadiene",
                "oxidises to the arene",
                (
                    f"[#6X4;!H0]1-{_C_OR_N}={_C_OR_N}-[#6X4;!H0]-{_C_OR_N}={_C_OR_N}-1",
                    f"[#6X4;!H0]1-[#6X4;!H0]-{_C_OR_N}={_C_OR_N}-{_C_OR_N}={_C_OR_N}-1",
                ),
            ),
            Alert(
                "dihydropyridine without an acceptor",
                "oxidises to the pyridine",
                ("[#6X4;!H0]1-[CH]=C-[#7]-C=[CH]-1", "[#6X4;!H0]1-C=C-C=C-[#7]-1"),
            ),
            Alert("2H-pyran", "opens to a dienone", ("[#6X4]1-C=C-C=C-[#8,#16]-1",)),
            Alert(
                "quinone methide, quinone imine or o-quinone",
                "adds nucleophiles, polymerises",
                (
                    "C1(=[$([CH2]),$([CH]),#7;!R])-C=C-C(=[#6,#7,#8])-C=C-1",
                    "C1(=[#6,#7,#8])-C(=[#6,#7;!R])-C=C-C=C-1",
                    "C1(=O)-C(=O)-C=C-C=C-1",
                ),
            ),
        ),
    ),
    (  # two heteroatoms on saturated carbon
        "[#7,#8,#16]-[CX4]-[#7,#8,#16,F,Cl,Br,I]",
        (
            Alert(
                "hemiaminal",
                "loses water or the aldehyde",
                (
                    f"[OX2H]-[CX4;{_NO_CF3}]-[NX3;{_AMINE}]",
                    f"[OX2H]-[CX4;{_NO_CF3}]-n",
                    f"[OX2H]-[CX4;!R;{_NO_CF3};!$(C-C=O)]-[NX3;$(N[#6]=[O,S]),$(NS=O)]",
                ),
            ),
            Alert(
                "hemiacetal or hydrate",
                "loses the alcohol or water",
                (f"[OX2H]-[CX4;{_NO_CF3};!$(C(C=O)C=O)]-[OX2;!R]", "[OX2H]-[#6X4;r3,r4]@[#7,#8,#16]"),
            ),
            Alert("hemithioacetal", "loses the thiol", ("[OX2H]-[CX4]-[SX2]", "[SX2H]-[CX4]-[OX2,SX2,#7X3]")),
            Alert(
                "aminal",
                "hydrolyses to the aldehyde",
                (
                    f"[NX3H2;{_AMINE}]-[CX4;{_NO_CF3}]-[OX2H0,SX2,#7X3]",
                    f"[NX3;{_AMINE};!$(N-c)]-[CX4;{_NO_CF3}]-[OX2H0,#7X3+0]",
                ),
            ),
            Alert(
                "orthoester", "hydrolyses to the ester or amide", ("[CX4](-[#7X3,OX2])(-[#7X3,OX2])-[#7X3,OX2,SX2]",)
            ),
            Alert(
                "alpha-halo ether, thioether or amine",
                "loses the halide",
                ("[OX2,SX2,#7]-[CX4]-[Cl,Br,I;X1]", "[OX2,SX2,#7]-[CX4;!$(C(F)F)]-[F]", f"[NX3;{_AMINE}]-[CX4H](F)-F"),
            ),
        ),
    ),
    (  # a heteroatom on a double bond
        "[#7,#8,#16]-[C;X3]=[C;X3]",
        (
            Alert("ketene acetal", "adds water", (f"[C;X3](-[OX2,SX2,NX3])(-[OX2])=[C;X3;{_NO_ACCEPTOR}]",)),
            Alert(
                "enol or enethiol",
                "tautomerises to the ketone or thioketone",
                (f"[OX2H,SX2H]-[C;X3;!$(C-C=[O,N,S])]=[C;X3;{_NO_ACCEPTOR}]",),
            ),
            Alert(
                "enamine",
                "hydrolyses to the ketone or aldehyde",
                (
                    f"[NX3;!H0;{_AMINE};!$(N-c)]-[C;X3]=[C;X3;{_NO_ACCEPTOR}]",
                    f"[NX3;H0;{_AMINE};!$(N-c)]-[C;X3;!$(C-c);!$(C-C=O)]=[C;X3;{_NO_ACCEPTOR}]",
                ),
            ),
        ),
    ),
    (  # a double bond
        "[C,N]=[C,N]",
        (
            Alert(
                "imine",
                "hydrolyses to the ketone or aldehyde",
                (
                    "[NX2H]=[CX3;!$(C-[#7,#8,#16])]",
                    "[CX3;H1,H2;!R;!$(C-[#7,#8,#16])]=[NX2;!R]-[#6;!$(C=[O,N])]",
                    "[CX3;!R](-[#6])(-[#6])=[NX2;!R]-[CX4]",
                ),
            ),
            Alert("polyene", "oxidises, polymerises", ("[C;!R]=[C;!R]-[C;!R]=[C;!R]-[C;!R]=[C;!R]-[C;!R]=[C;!R]",)),
            Alert(
                "iminium ion",
                "hydrolyses",
                ("[CX3;!$(C-[#7,#8,#16]);!$(C-C=C)]=[N+;!$([N+]-[O-]);!$([N+]~[#7,#8])]",),
            ),
        ),
    ),
    (  # carbon with two neighbours
        "[CX2]",
        (
            Alert("ynol ether or ynamine", "adds water", ("[OX2,SX2,NX3;!$(NC=O);!$(NS=O)]-[CX2]#[CX2]",)),
            Alert(
                "ketene, isocyanate or carbodiimide",
                "adds water",
                ("[CX2](=[#6,#7])=[#7,#8]", "[CX2](=[#6])=[#16]", "C=C=C=[#6,#7,#8]"),
            ),
            Alert("polyyne or terminal diyne", "polymerises", ("C#CC#CC#C", "[CX2H]#[CX2]-[CX2]#[CX2]")),
        ),
    ),
    (  # a charge
        "[!+0]",
        (
            Alert("alkoxide or thiolate", "a strong base", ("[O-;X1]-[CX4]", "[S-;X1]-[CX4]")),
            Alert("diazo or diazonium", "loses nitrogen", ("[#6]=[N+]=[N-]", "[#6,#7,#8]-[N+]#N")),
            Alert("carbanion", "a strong base", ("[#6-;!$([#6-]#[#7+])]",)),
            Alert(
                "amide anion",
                "a strong base",
                ("[N-;X2;!$([N-]-[#6,#7,S,P]=,:[#7,#8,#16]);!$([N-]-[#6]=,:[#6]);!$([N-]=*)]",),
            ),
            Alert(
                "carbocation, oxonium or nitrenium ion",
                "adds any nucleophile",
                ("[#6+]", "[OX3+]", "[NX2+;!$([N+]#*);!$([N+](=*)=*);!a]"),
            ),
        ),
    ),
    (  # a bond between heteroatoms
        "[#5,#7,#8,#14,#15,#16]-,=[#7,#8,#16,F,Cl,Br,I;A]",
        (
            Alert(
                "three-membered ring with two heteroatoms",
                "a strained weak bond: opens",
                ("[#7,#8,#16]1-[#7,#8,#16]-[#6,#7]-1",),
            ),
            Alert("peroxide", "explodes, oxidises", ("[OX2,OX1-]-[OX2]",)),
            Alert(
                "chain of three nitrogens",
                "loses nitrogen",
                ("[#7;A;+0]-[#7;A;+0]-[#7;A;+0]", "[#7;A;X3]-[#7;A;X2]=[#7;A;X2]"),
            ),
            Alert(
                "hydrazine",
                "oxidises in air",
                (f"[NX3;!H0;!$(N-c);{_NO_ACYL}]-;!@[NX3;+0;!$(N-c);{_NO_ACYL}]",),
            ),
            Alert("N-hydroxy amine", "oxidises to the nitrone or nitroso compound", (f"[OX2H]-[NX3;+0;{_NO_ACYL}]",)),
            Alert("N-O-N or O-N-O", "a weak bond: decomposes", ("[#7;A]-[#8X2]-[#7;A]", "[OX2]-[NX3;+0]-[OX2]")),
            Alert("sulfenyl", "hydrolyses, oxidises", ("[SX2]-[OX2]", "[SX2;!R]-[N;A;!R;!$(N-[C,S]=[O,N])]")),
            Alert("chain of three sulfurs", "disproportionates", ("[SX2]-[SX2]-[SX2]",)),
            Alert(
                "heteroatom halide",
                "an oxidant, or hydrolyses",
                (
                    f"[#7,#8]-{_HALOGEN}",
                    f"[#16;!$(S(F)(F)(F)(F)F);!$(S(=O)(=O)F)]-{_HALOGEN}",
                    f"[#15,#14,#5;!$([#5-])]-{_HALOGEN}",
                ),
            ),
            Alert("nitroso or nitrite", "tautomerises to the oxime, decomposes", ("[#6,OX2]-[NX2]=O",)),
            Alert("azoalkane or diazene", "loses nitrogen", ("[CX4]-[NX2;+0;!R]=[NX2;+0;!R]", "[NX2H]=[NX2]")),
        ),
    ),
    (  # a heteroatom in a small ring
        "[#7,#8,#16;r3,r4]",
        (
            Alert(
                "aziridine, epoxide or thiirane",
                "strained: opens with nucleophiles",
                ("[#7X3,#8,#16X2]1-[#6X4]-[#6X4]-1",),
            ),
            Alert(
                "four-membered ring with two heteroatoms",
                "strained: splits in two",
                ("[#7,#8]1-[#6]-[#7,#8]-[#6]-1", "[#7,#8,#16]1-[#7,#8,#16]-[#6]-[#6]-1"),
            ),
        ),
    ),
    (  # an acyl group
        "[#6,#16]=[#7,#8,#16]",
        (
            Alert(
                "acyl halide",
                "hydrolyses",
                ("[CX3](=[O,S,N])-[F,Cl,Br,I;X1]", "[#16X4](=O)-[Cl,Br,I;X1]"),
            ),
            Alert(
                "anhydride, activated ester or azolide",
                "hydrolyses, acylates",
                (
                    "[CX3](=[O,S])-[OX2,SX2]-[CX3]=[O,S]",
                    "[CX3](=O)-[OX2]-[S,P]=O",
                    "[CX3](=[O,S])-[OX2]-[#7X3]",
                    "[$([CX3;!$(C-N)]=[O,S]),$([#16X4]=O)]-[nX3;r5]:c:[nX2;r5]",
                ),
            ),
            Alert("acyl azide or cyanide", "rearranges, hydrolyses", ("[CX3](=O)-N=[N+]=[N-]", "[CX3](=O)-C#N")),
            Alert(
                "carbamic, carbonic or beta-keto acid",
                "loses carbon dioxide",
                ("[OX2H,SX2H]-[CX3](=[O,S])-[NX3,OX2,SX2]", "[#6X3;!$([#6]-[#7,#8])](=O)-[CX4]-[CX3](=O)-[OX2H,OX1-]"),
            ),
            Alert(
                "hydrate of a phenol",
                "dehydrates to the phenol",
                (
                    "O=C1-[CX4;!H0]-[CX4](-[OX2H])-[CX4;!H0]-[#6]=,:[#6]-1",
                    "O=C1-[CX4;!H0]-[CX4](-[OX2H])-[#6]=,:[#6]-[CX4;!H0]-1",
                ),
            ),
            Alert("cyclopropanone", "strained: adds water, opens", ("[C;r3;A]=[O,N,S;!R]",)),
            Alert(
                "thioketone or thioaldehyde",
                "oxidises, oligomerises",
                ("[CX3;!$(C-[#7,#8,#16])]=[SX1]", "C=S=[#6,#7,#8]"),
            ),
        ),
    ),
    (  # anything
        "*",
        (
            Alert(
                "isobenzofuran or isoindole",
                "adds dienophiles, oxidises",
                ("[cH]1:[o,s,$([nX3])]:c:c2:c:1:[c,n;!$(c=O)]:[c,n;!$(c=O)]:[c,n;!$(c=O)]:[c,n;!$(c=O)]:2",),
            ),
            Alert(
                "hydride or amide of boron, silicon or phosphorus",
                "oxidises, hydrolyses",
                ("[$([Si,B;!H0]),$([PX3;!H0])]", "[Si]-[N,S]", "[#5;X3](-[#6])(-[#6])-[#6]"),
            ),
            Alert("sulfurane", "disproportionates", ("[SX4;!$(S=[O,N,S,C])]",)),
        ),
    ),
)
"""Sections of alerts, each with a SMARTS that any match of its alerts contains; it is skipped for molecules without."""
ALERTS: tuple[Alert, ...] = tuple(alert for _, alerts in _SECTIONS for alert in alerts)
"""All alerts except `BRIDGEHEAD`."""


def find_unstable_groups(mol: Chem.Mol) -> tuple[str, ...]:
    """Unique names of the alerts that match a molecule."""
    names = [
        entry.GetDescription()
        for common, catalogue in _catalogues()
        if mol.HasSubstructMatch(common)
        for entry in catalogue.GetMatches(mol)
    ]
    return (*names, BRIDGEHEAD) if _breaks_bredt(mol) else tuple(names)


def _breaks_bredt(mol: Chem.Mol) -> bool:
    """Whether a small bicycle (two rings that share several bonds) has a double bond at a bridgehead."""
    if not rdMolDescriptors.CalcNumBridgeheadAtoms(mol):
        return False
    info = mol.GetRingInfo()
    rings = [(set(atoms), set(bonds)) for atoms, bonds in zip(info.AtomRings(), info.BondRings(), strict=True)]
    return any(
        len(one[0] | other[0]) - 2 <= MAX_BRIDGE_ATOMS
        and _has_bridgehead_double_bond(mol, one[1] & other[1], one[1] | other[1])
        for one, other in combinations(rings, 2)
        if len(one[1] & other[1]) > 1
    )


def _has_bridgehead_double_bond(mol: Chem.Mol, shared: set[int], bonds: set[int]) -> bool:
    """Whether an end of the path of `shared` bonds has a double or aromatic bond among `bonds`."""
    ends = Counter(atom for index in shared for atom in _atoms_of(mol, index))
    heads = {atom for atom, n in ends.items() if n == 1}
    return any(
        mol.GetBondWithIdx(index).GetBondTypeAsDouble() > 1.0 and heads & set(_atoms_of(mol, index)) for index in bonds
    )


def _atoms_of(mol: Chem.Mol, bond: int) -> tuple[int, int]:
    found = mol.GetBondWithIdx(bond)
    return found.GetBeginAtomIdx(), found.GetEndAtomIdx()


@cache
def _catalogues() -> list[tuple[Chem.Mol, FilterCatalog]]:
    found = []
    for common, alerts in _SECTIONS:
        catalogue = FilterCatalog()
        for alert in alerts:
            matchers = [SmartsMatcher(alert.name, text) for text in alert.smarts]
            catalogue.AddEntry(FilterCatalogEntry(alert.name, reduce(FilterMatchOps.Or, matchers)))
        found.append((Chem.MolFromSmarts(common), catalogue))
    return found
