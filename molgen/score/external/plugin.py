"""The options that name scorers of the user, and the check of a scorer before a campaign."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule, parse
from molgen.errors import ScorerError, SpecError
from molgen.score.external.scorer import TIME_LIMIT_S, CommandScorer, InstalledScorer, PythonScorer, Scorer

GROUP = "molgen.scorers"
"""Entry points by which a package offers functions from SMILES to numbers as measures."""

_KNOWN_DRUGS = ("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CC(C)Cc1ccc(C(C)C(=O)O)cc1")
"""Aspirin, caffeine, ibuprofen."""

_NAMED = re.compile(r"(?:([A-Za-z_][\w.-]*)=)?(.+)", re.DOTALL | re.ASCII)


def parse_python_scorer(text: str, time_limit_s: float = TIME_LIMIT_S, *, is_tolerant: bool = False) -> PythonScorer:
    """The scorer of `file.py:function` or `name=file.py:function`; without a name, that of the function.

    Raises:
        SpecError: The text has another form, or the file is missing.
    """
    name, place = _name_and_rest("scorer", text)
    path, _, function = place.rpartition(":")
    if not path or not function.isidentifier():
        raise SpecError("scorer", f"{text!r} names no function", remedy="Write it like file.py:function.")
    return PythonScorer(name or function, Path(path).expanduser(), function, time_limit_s, is_tolerant=is_tolerant)


def parse_command_scorer(text: str, time_limit_s: float = TIME_LIMIT_S, *, is_tolerant: bool = False) -> CommandScorer:
    """The scorer of `prog args` or `name=prog args`; without a name, that of the program without suffix.

    The text is split as a POSIX shell does, but no shell runs it.

    Raises:
        SpecError: The text cannot be split, or there is no such program.
    """
    name, command = _name_and_rest("scorer_command", text)
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise SpecError("scorer_command", f"{text!r}: {error}", remedy="Close every quote.") from None
    name = name or Path(arguments[0] if arguments else "").stem
    return CommandScorer(name, arguments, time_limit_s, is_tolerant=is_tolerant)


def parse_scorers(
    functions: Sequence[str] = (),
    commands: Sequence[str] = (),
    time_limit_s: float = TIME_LIMIT_S,
    *,
    is_tolerant: bool = False,
) -> dict[str, Scorer]:
    """Scorers of the user by name, from the texts of `--scorer` and `--scorer-command`.

    Tolerant ones allow molecules without a value.

    Raises:
        SpecError: A text cannot be used, or two scorers have one name.
    """
    scorers: list[Scorer] = [parse_python_scorer(text, time_limit_s, is_tolerant=is_tolerant) for text in functions]
    scorers += [parse_command_scorer(text, time_limit_s, is_tolerant=is_tolerant) for text in commands]
    by_name = {scorer.name: scorer for scorer in scorers}
    if len(by_name) < len(scorers):
        names = ", ".join(scorer.name for scorer in scorers)
        raise SpecError("scorer", f"two scorers have one name: {names}", remedy="Name one: my_score=...")
    return by_name


def find_installed_scorers(
    names: Iterable[str], time_limit_s: float = TIME_LIMIT_S, *, is_tolerant: bool = False
) -> dict[str, Scorer]:
    """Those of `names` that an installed package offers as measures, by entry points of the group `molgen.scorers`.

    Raises:
        SpecError: Two packages offer one name, or an entry point names no function.
    """
    found: dict[str, Scorer] = {}
    for name in dict.fromkeys(names):
        offers = entry_points(group=GROUP, name=name)
        if len(offers) > 1:
            values = ", ".join(offer.value for offer in offers)
            raise SpecError("scorer", f"several packages offer {name}: {values}", remedy="Uninstall one.")
        for offer in offers:
            found[name] = InstalledScorer(offer, time_limit_s, is_tolerant=is_tolerant)
    return found


def health_check(scorer: Scorer) -> str | None:
    """Scores aspirin, caffeine and ibuprofen in two orders, to check `scorer` before a campaign.

    Returns:
        A warning if all three score the same, or if a tolerant scorer has no value for one; else None.

    Raises:
        ScorerError: A value changes by more than a relative 1e-6 with the order, or is missing or not finite; a
            tolerant scorer may lack up to two of the three values.
    """
    molecules = [parse(smiles) for smiles in _KNOWN_DRUGS]
    scorer.send_ahead([*molecules, *molecules])
    backwards = scorer(molecules[::-1])[::-1]
    forwards = scorer(molecules)
    has_both = np.isfinite(forwards) & np.isfinite(backwards)
    if not np.allclose(forwards[has_both], backwards[has_both], rtol=1e-6, atol=1e-9):
        drugs = ", ".join(molecule.smiles for molecule in molecules)
        raise ScorerError(
            scorer.name,
            f"gave {forwards.tolist()} for {drugs}, but {backwards.tolist()} for the same in reverse order",
            remedy="A value may depend on its molecule only: return values in order, and fix seeds.",
        )
    return _failure_warning(scorer, molecules) or _constancy_warning(scorer.name, forwards)


def _failure_warning(scorer: Scorer, molecules: Sequence[Molecule]) -> str | None:
    """Reports the drugs without a value."""
    if not scorer.failures:
        return None
    smiles, reason = next(iter(scorer.failures.items()))
    if len(scorer.failures) == len(molecules):
        raise ScorerError(
            scorer.name,
            f"has no value for aspirin, caffeine and ibuprofen; for {smiles} it {reason}",
            remedy="Run the scorer by itself and repair it.",
        )
    return f"scorer {scorer.name}: no value for {len(scorer.failures)} of 3 known drugs; for {smiles} it {reason}"


def _constancy_warning(name: str, values: Doubles) -> str | None:
    if (values == values[0]).all():
        return f"scorer {name}: aspirin, caffeine and ibuprofen all score {values[0]:g}"
    return None


def _name_and_rest(key: str, text: str) -> tuple[str | None, str]:
    match = _NAMED.fullmatch(text.strip())
    if match is None:
        raise SpecError(key, "nothing is given", remedy="Write file.py:function, or a program.")
    return match[1], match[2]
