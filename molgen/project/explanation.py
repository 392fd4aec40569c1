"""Explanations of proposals, as columns beside their forecasts.

Notation: N candidates.
"""

from __future__ import annotations

import math

from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold
from rdkit.rdBase import BlockLogs

from molgen.chem.checks import CHECKS, check
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.chem.properties import synthetic_accessibility
from molgen.latent.space import LatentSpace
from molgen.output.change import OTHER, describe_change
from molgen.project.forecast import Forecast
from molgen.project.replicates import Label

NO_SERIES = "no ring"
"""Name of the series of molecules without rings."""


def explain(space: LatentSpace, forecast: Forecast) -> dict[str, list[float | str]]:
    """Columns of N values that explain the first property P of a forecast.

    | column | holds |
    | --- | --- |
    | `change` | the change from K, the known compound of the highest Tanimoto similarity (ECFP4) |
    | `P_gain`, `P_gain_lower`, `P_gain_upper` | forecast and interval minus the value of K; NaN if K has only a bound |
    | `series` | the scaffold (SMILES), or `NO_SERIES` |
    | `sa` | SA score (synthetic accessibility), 1 (easy) to 10 |
    | `alerts` | names of the alerts of all checks |
    | `in_training_data` | whether the checkpoint was trained on the molecule: `true` or `false` |
    | `explanation` | change and gain in words |

    Source: scaffolds, Bemis & Murcko, J. Med. Chem. 1996, 39, 2887.
    """
    name = forecast.properties[0]
    rows = [_row(space, forecast, i, name) for i in range(len(forecast.smiles))]
    return {column: [row[column] for row in rows] for column in (rows[0] if rows else ())}


def _row(space: LatentSpace, forecast: Forecast, i: int, name: str) -> dict[str, float | str]:
    mol = parse(forecast.smiles[i], AS_IT_IS).mol
    place = int(forecast.nearest[i])
    label = forecast.known.labels[place].get(name) if place >= 0 else None
    value = label.value if label and label.relation in "=~" else math.nan
    numbers = (float(part[i, 0]) for part in (forecast.mean, forecast.lower, forecast.upper))
    gain, lower, upper = (number - value for number in numbers)
    with BlockLogs():
        change = describe_change(parse(forecast.known.smiles[place], AS_IT_IS).mol, mol) if place >= 0 else ""
    return {
        "change": change,
        f"{name}_gain": gain,
        f"{name}_gain_lower": lower,
        f"{name}_gain_upper": upper,
        "series": MurckoScaffold.MurckoScaffoldSmiles(mol=mol) or NO_SERIES,
        "sa": synthetic_accessibility(mol),
        "alerts": "; ".join(_alerts(mol)),
        "in_training_data": str(bool(space.knows([forecast.smiles[i]])[0])).lower(),
        "explanation": _sentence(forecast, i, change, label, (gain, lower, upper)),
    }


def _alerts(mol: Chem.Mol) -> list[str]:
    return [alert for name in CHECKS for alert in check(mol, name).evidence]


def _sentence(forecast: Forecast, i: int, change: str, label: Label | None, gain: tuple[float, float, float]) -> str:
    """Such as: Cl to CF3 in D12 (7.10): 7.80 expected, +0.70 [-0.10, +1.50]."""
    expected = f"{forecast.mean[i, 0]:.2f} expected"
    if label is None:
        return expected
    known = f"{forecast.known.ids[int(forecast.nearest[i])]} ({label.relation.strip('=')}{label.value:.2f})"
    more = "" if math.isnan(gain[0]) else f", {gain[0]:+.2f} [{gain[1]:+.2f}, {gain[2]:+.2f}]"
    return f"{change} {'than' if change == OTHER else 'in'} {known}: {expected}{more}"
