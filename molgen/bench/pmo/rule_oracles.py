"""The twenty rule-based oracles of PMO: as defined by GuacaMol and computed by PyTDC.

An oracle maps a molecule to a number in [0, 1], larger is better. Most are the mean of a few parts, each of them a raw
value mapped to [0, 1] by a modifier.

Sources: Brown et al., GuacaMol, J. Chem. Inf. Model. 2019, 59, 1096 (targets, modifiers, means); Gao et al., PMO, 2022
(arXiv:2206.12411), section 3 (which tasks); the values are those of PyTDC 0.3.7 to 1.1.15, which corrected the tasks
sitagliptin_mpo, zaleplon_mpo and the isomers of earlier versions.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from rdkit import Chem, DataStructs
from rdkit.Chem import GraphDescriptors, rdFingerprintGenerator, rdMolDescriptors
from rdkit.Chem.QED import qed

from molgen.bench.pmo.pharmacophore import pharmacophore_similarity, pharmacophores
from molgen.chem.properties import crippen_logp

Part = Callable[[Chem.Mol], float]
Modifier = Callable[[float], float]


def geometric_mean(*parts: Part) -> Part:
    """The n-th root of the product of n parts."""

    def value(mol: Chem.Mol) -> float:
        product = math.prod(part(mol) for part in parts)
        return float(product ** (1.0 / len(parts)))

    return value


def arithmetic_mean(*parts: Part) -> Part:
    """The sum of n parts over n."""

    def value(mol: Chem.Mol) -> float:
        return sum(part(mol) for part in parts) / len(parts)

    return value


def clip_above(upper: float) -> Modifier:
    """Linear from 0 to 1 at `upper`, and 1 above."""
    return lambda x: min(1.0, x / upper)


def gaussian(mean: float, std: float) -> Modifier:
    """1 at `mean`, falling off to both sides."""
    return lambda x: math.exp(-0.5 * ((x - mean) / std) ** 2)


def at_most(mean: float, std: float) -> Modifier:
    """1 up to `mean`, falling off above (GuacaMol's MinGaussian)."""
    bell = gaussian(mean, std)
    return lambda x: bell(max(x, mean))


def at_least(mean: float, std: float) -> Modifier:
    """1 from `mean` on, falling off below (GuacaMol's MaxGaussian)."""
    bell = gaussian(mean, std)
    return lambda x: bell(min(x, mean))


def apply_modifier(part: Part, modifier: Modifier) -> Part:
    """The part whose value is mapped by a modifier."""
    return lambda mol: modifier(part(mol))


def _morgan(radius: int, *, is_feature: bool = False) -> Callable[[Chem.Mol], DataStructs.ULongSparseIntVect]:
    invariants = rdFingerprintGenerator.GetMorganFeatureAtomInvGen() if is_feature else None
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, atomInvariantsGenerator=invariants)
    return generator.GetSparseCountFingerprint


def _atom_pairs() -> Callable[[Chem.Mol], DataStructs.ULongSparseIntVect]:
    return rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10).GetSparseCountFingerprint


FINGERPRINTS: Mapping[str, Callable[[Chem.Mol], DataStructs.ULongSparseIntVect]] = MappingProxyType(
    {
        "ECFP4": _morgan(2),
        "ECFP6": _morgan(3),
        "FCFP4": _morgan(2, is_feature=True),
        "AP": _atom_pairs(),
    }
)
"""Count fingerprints: Morgan of radius 2 and 3, feature Morgan of radius 2, atom pairs up to a distance of 10."""


def similarity(target: str, kind: str) -> Part:
    """Tanimoto similarity to the SMILES `target`: of a kind in `FINGERPRINTS`, or of Gobbi's pharmacophores (PHCO)."""
    if kind == "PHCO":
        wanted = pharmacophores(Chem.MolFromSmiles(target))
        return lambda mol: pharmacophore_similarity(pharmacophores(mol), wanted)
    fingerprint = FINGERPRINTS[kind]
    goal = fingerprint(Chem.MolFromSmiles(target))
    return lambda mol: float(DataStructs.TanimotoSimilarity(fingerprint(mol), goal))


def holds(pattern: str) -> Part:
    """1 if a SMARTS matches, else 0."""
    query = Chem.MolFromSmarts(pattern)
    return lambda mol: float(mol.HasSubstructMatch(query))


def lacks(pattern: str) -> Part:
    """1 if a SMARTS does not match, else 0."""
    query = Chem.MolFromSmarts(pattern)
    return lambda mol: float(not mol.HasSubstructMatch(query))


def match_formula(formula: str) -> Part:
    """Closeness to a molecular formula: geometric mean of Gaussians of element counts and of the atom count."""
    wanted = {element: int(count or 1) for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula)}
    bells = {element: gaussian(count, 1.0) for element, count in wanted.items()}
    total = gaussian(sum(wanted.values()), 2.0)

    def value(mol: Chem.Mol) -> float:
        found = Counter(atom.GetSymbol() for atom in mol.GetAtoms())
        found["H"] += sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
        product = total(found.total()) * math.prod(bell(found[element]) for element, bell in bells.items())
        return float(product ** (1.0 / (len(bells) + 1)))

    return value


def _tpsa(mol: Chem.Mol) -> float:
    return float(rdMolDescriptors.CalcTPSA(mol))


def _fluorines(mol: Chem.Mol) -> float:
    return float(sum(atom.GetAtomicNum() == 9 for atom in mol.GetAtoms()))


def _rings(mol: Chem.Mol) -> float:
    return float(rdMolDescriptors.CalcNumRings(mol))


def _aromatic_rings(mol: Chem.Mol) -> float:
    return float(rdMolDescriptors.CalcNumAromaticRings(mol))


ALBUTEROL = "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1"
AMLODIPINE = r"Clc1ccccc1C2C(=C(/N/C(=C2/C(=O)OCC)COCCN)C)\C(=O)OC"
CAMPHOR = "CC1(C)C2CCC1(C)C(=O)C2"
CELECOXIB = "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F"
FEXOFENADINE = "CC(C)(C(=O)O)c1ccc(cc1)C(O)CCCN2CCC(CC2)C(O)(c3ccccc3)c4ccccc4"
HOP = "CCCOc1cc2ncnc(Nc3ccc4ncsc4c3)c2cc1S(=O)(=O)C(C)(C)C"
MENTHOL = "CC(C)C1CCC(C)CC1O"
MESTRANOL = "COc1ccc2[C@H]3CC[C@@]4(C)[C@@H](CC[C@@]4(O)C#C)[C@@H]3CCc2c1"
OSIMERTINIB = "COc1cc(N(C)CCN(C)C)c(NC(=O)C=C)cc1Nc2nccc(n2)c3cn(C)c4ccccc34"
PERINDOPRIL = "O=C(OCC)C(NC(C(=O)N1C(C(=O)O)CC2CCCCC12)C)CCC"
RANOLAZINE = "COc1ccccc1OCC(O)CN2CCN(CC(=O)Nc3c(C)cccc3C)CC2"
SILDENAFIL = "CCCC1=NN(C2=C1N=C(NC2=O)C3=C(C=CC(=C3)S(=O)(=O)N4CCN(CC4)C)OCC)C"
SITAGLIPTIN = "Fc1cc(c(F)cc1F)CC(N)CC(=O)N3Cc2nnc(n2CC3)C(F)(F)F"
TADALAFIL = "O=C1N(CC(N2C1CC3=C(C2C4=CC5=C(OCO5)C=C4)NC6=C3C=CC=C6)=O)C"
THIOTHIXENE = "CN(C)S(=O)(=O)c1ccc2Sc3ccccc3C(=CCCN4CCN(C)CC4)c2c1"
TROGLITAZONE = "Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O"
VALSARTAN_PART = "CN(C=O)Cc1ccc(c2ccccc2)cc1"
ZALEPLON = "O=C(C)N(CC)C1=CC=CC(C2=CC=NC3=C(C=NN23)C#N)=C1"

HOP_SCAFFOLD = "[#7]-c1n[c;h1]nc2[c;h1]c(-[#8])[c;h0][c;h1]c12"
HOP_SULFONE = "CS([#6])(=O)=O"
HOP_BENZOTHIAZOLE = "[#7]-c1ccc2ncsc2c1"
HOP_DECORATION = "[#6]-[#6]-[#6]-[#8]-[#6]~[#6]~[#6]~[#6]~[#6]-[#7]-c1ccc2ncsc2c1"

_SITAGLIPTIN_LOGP, _SITAGLIPTIN_TPSA, _SITAGLIPTIN_BERTZ = 2.0165, 77.04, 896.3804853871784


@cache
def make_rule_oracles() -> Mapping[str, Part]:
    """The oracles by PMO's names."""
    return MappingProxyType(
        {
            "albuterol_similarity": apply_modifier(similarity(ALBUTEROL, "FCFP4"), clip_above(0.75)),
            "amlodipine_mpo": geometric_mean(similarity(AMLODIPINE, "ECFP4"), apply_modifier(_rings, gaussian(3, 0.5))),
            "celecoxib_rediscovery": similarity(CELECOXIB, "ECFP4"),
            "deco_hop": arithmetic_mean(
                lacks(HOP_SULFONE),
                lacks(HOP_BENZOTHIAZOLE),
                holds(HOP_SCAFFOLD),
                apply_modifier(similarity(HOP, "PHCO"), clip_above(0.85)),
            ),
            "fexofenadine_mpo": geometric_mean(
                apply_modifier(similarity(FEXOFENADINE, "AP"), clip_above(0.8)),
                apply_modifier(_tpsa, at_least(90, 10)),
                apply_modifier(crippen_logp, at_most(4, 1)),
            ),
            "isomers_c7h8n2o2": match_formula("C7H8N2O2"),
            "isomers_c9h10n2o2pf2cl": match_formula("C9H10N2O2PF2Cl"),
            "median1": geometric_mean(similarity(CAMPHOR, "ECFP4"), similarity(MENTHOL, "ECFP4")),
            "median2": geometric_mean(similarity(TADALAFIL, "ECFP6"), similarity(SILDENAFIL, "ECFP6")),
            "mestranol_similarity": apply_modifier(similarity(MESTRANOL, "AP"), clip_above(0.75)),
            "osimertinib_mpo": geometric_mean(
                apply_modifier(similarity(OSIMERTINIB, "FCFP4"), clip_above(0.8)),
                apply_modifier(similarity(OSIMERTINIB, "ECFP6"), at_most(0.85, 0.1)),
                apply_modifier(_tpsa, at_least(100, 10)),
                apply_modifier(crippen_logp, at_most(1, 1)),
            ),
            "perindopril_mpo": geometric_mean(
                similarity(PERINDOPRIL, "ECFP4"), apply_modifier(_aromatic_rings, gaussian(2, 0.5))
            ),
            "qed": qed,
            "ranolazine_mpo": geometric_mean(
                apply_modifier(similarity(RANOLAZINE, "AP"), clip_above(0.7)),
                apply_modifier(crippen_logp, at_least(7, 1)),
                apply_modifier(_fluorines, gaussian(1, 1)),
                apply_modifier(_tpsa, at_least(95, 20)),
            ),
            "scaffold_hop": arithmetic_mean(
                lacks(HOP_SCAFFOLD), holds(HOP_DECORATION), apply_modifier(similarity(HOP, "PHCO"), clip_above(0.75))
            ),
            "sitagliptin_mpo": geometric_mean(
                apply_modifier(similarity(SITAGLIPTIN, "ECFP4"), gaussian(0, 0.1)),
                apply_modifier(crippen_logp, gaussian(_SITAGLIPTIN_LOGP, 0.2)),
                apply_modifier(_tpsa, gaussian(_SITAGLIPTIN_TPSA, 5)),
                match_formula("C16H15F6N5O"),
            ),
            "thiothixene_rediscovery": similarity(THIOTHIXENE, "ECFP4"),
            "troglitazone_rediscovery": similarity(TROGLITAZONE, "ECFP4"),
            "valsartan_smarts": geometric_mean(
                holds(VALSARTAN_PART),
                apply_modifier(crippen_logp, gaussian(_SITAGLIPTIN_LOGP, 0.2)),
                apply_modifier(_tpsa, gaussian(_SITAGLIPTIN_TPSA, 5)),
                apply_modifier(GraphDescriptors.BertzCT, gaussian(_SITAGLIPTIN_BERTZ, 30)),
            ),
            "zaleplon_mpo": geometric_mean(similarity(ZALEPLON, "ECFP4"), match_formula("C19H17N3O2")),
        }
    )
