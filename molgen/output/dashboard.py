"""A campaign in Optuna's dashboard: objectives by name, measures and descriptors as parameters, one drawing per trial.

The study is made in memory from the ledger. So the dashboard shows measures and descriptors instead of latent
coordinates, and cannot change the run.
"""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, BinaryIO, Literal
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.chem.properties import DESCRIPTORS
from molgen.extras import require_package
from molgen.output.drawing import draw_slim
from molgen.score.objective import Objective, parse_objectives
from molgen.search.ledger import Evaluation
from molgen.search.spec import CampaignSpec

HOST = "127.0.0.1"
SHOWN_DESCRIPTORS = ("mw", "logp", "tpsa", "hbd", "hba", "rotatable_bonds", "rings", "fsp3")
"""Descriptors that every trial has as parameters; each takes microseconds."""
_ARTIFACT = "artifacts:"
"""Prefix of a system attribute that names an artifact. Source: `optuna.artifacts._upload`, Optuna 5.0."""


class MoleculeDrawings:
    """A read-only artifact store whose ids are the lines of a ledger from 0, in hexadecimal.

    A molecule is drawn when its artifact is read.
    """

    def __init__(self, smiles: Sequence[str]) -> None:
        self._smiles = smiles

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The molecule of a line as SVG.

        Raises:
            MoleculeError: The SMILES is invalid.
        """
        mol = parse(self._smiles[int(artifact_id, 16)], AS_IT_IS).mol
        return io.BytesIO(draw_slim(mol).encode("ascii"))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Stores nothing.

        Raises:
            PermissionError: Always.
        """
        raise PermissionError("the dashboard of a campaign is read-only")

    def remove(self, artifact_id: str) -> None:
        """Removes nothing.

        Raises:
            PermissionError: Always.
        """
        raise PermissionError("the dashboard of a campaign is read-only")


def add_campaign_study(
    storage: InMemoryStorage, name: str, spec: CampaignSpec, evaluations: Sequence[Evaluation]
) -> None:
    """Adds a study `name` to a storage, which has a trial for each line of a ledger, in order.

    Objectives are those of a campaign with `--pareto`, otherwise the total. The value of an objective with a target or
    range is its desirability. Parameters are `SHOWN_DESCRIPTORS` and the measures that are no objectives, if every
    molecule has a value: the dashboard cannot rank a parameter that a trial lacks. A molecule without a value of an
    objective is a failed trial.
    """
    objectives = _objectives(spec)
    study = optuna.create_study(
        storage=storage, study_name=name, directions=[direction for _, direction, _ in objectives]
    )
    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
        study.set_metric_names([label for label, _, _ in objectives])
    outcomes = [_outcome([value(each) for _, _, value in objectives], each.violation) for each in evaluations]
    study.add_trials(make_trials(evaluations, {label for label, _, _ in objectives}, outcomes))


def make_trials(
    evaluations: Sequence[Evaluation], objectives: Collection[str], outcomes: Iterable[Mapping[str, Any]]
) -> list[FrozenTrial]:
    """A trial for each line, with measures and descriptors as parameters and its molecule as an artifact.

    Args:
        evaluations: Lines of a ledger.
        objectives: Names of measures that are no parameters.
        outcomes: State, values and constraints of each trial, as for `optuna.trial.create_trial`.
    """
    parameters = _parameters(evaluations, objectives)
    distributions = {key: FloatDistribution(min(values), max(values)) for key, values in parameters.items()}
    return [
        _trial(evaluation, {key: values[row] for key, values in parameters.items()}, distributions, outcome)
        for row, (evaluation, outcome) in enumerate(zip(evaluations, outcomes, strict=True))
    ]


def make_dashboard_server(storage: InMemoryStorage, evaluations: Sequence[Evaluation], port: int) -> WSGIServer:
    """A server of the dashboard on this machine; for port 0, it takes a free port.

    Raises:
        SpecError: optuna-dashboard is not installed.
        OSError: The port is taken.
    """
    require_package("optuna_dashboard", package="optuna-dashboard", extra="dashboard", key="dashboard")
    from bottle import response
    from optuna_dashboard import wsgi

    drawings = MoleculeDrawings([evaluation.smiles for evaluation in evaluations])
    application = wsgi(storage, artifact_store=drawings)

    def fill_answer() -> None:
        if response.status_code == HTTPStatus.NO_CONTENT:
            response.status = HTTPStatus.OK  # the page of optuna-dashboard 0.21 reports an error if there is no JSON

    application.add_hook("after_request", fill_answer)
    return make_server(HOST, port, application, server_class=_ThreadingServer, handler_class=_SilentHandler)


def drawing_id(evaluation: Evaluation) -> str:
    """The artifact id of the drawing of a line of the ledger."""
    return f"{evaluation.index - 1:08x}"


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    """One thread per connection: browsers open connections before they send requests."""

    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Writes nothing."""


_LabelledObjective = tuple[str, Literal["minimize", "maximize"], Callable[[Evaluation], float]]
"""Label, direction and value of an objective."""


def _objectives(spec: CampaignSpec) -> list[_LabelledObjective]:
    if not spec.pareto:
        return [("total", "maximize", lambda evaluation: evaluation.total)]
    stated = parse_objectives(maximize=spec.maximize, minimize=spec.minimize, target=spec.target, range_=spec.range)
    return [_raw(objective) if objective.wanted is None else _desirability(objective) for objective in stated]


def _raw(objective: Objective) -> _LabelledObjective:
    direction: Literal["minimize", "maximize"] = "maximize" if objective.goal == "maximize" else "minimize"
    return objective.name, direction, lambda evaluation: evaluation.values[objective.name]


def _desirability(objective: Objective) -> _LabelledObjective:
    label = f"desirability of {objective.name}"
    return label, "maximize", lambda evaluation: evaluation.desirabilities[objective.name]


def _parameters(evaluations: Sequence[Evaluation], objectives: Collection[str]) -> dict[str, list[float]]:
    """Parameters by name, each with a value for every evaluation."""
    measures = list(evaluations[0].values) if evaluations else []
    found = {name: [evaluation.values[name] for evaluation in evaluations] for name in measures}
    mols = [parse(evaluation.smiles, AS_IT_IS).mol for evaluation in evaluations]
    found |= {
        name: [DESCRIPTORS[name].function(mol) for mol in mols]
        for name in SHOWN_DESCRIPTORS
        if name not in found and mols
    }
    return {
        name: values for name, values in found.items() if name not in objectives and all(map(math.isfinite, values))
    }


def _outcome(values: Sequence[float], violation: float) -> dict[str, Any]:
    is_complete = all(map(math.isfinite, values))
    return {
        "state": TrialState.COMPLETE if is_complete else TrialState.FAIL,
        "values": values if is_complete else None,
        "constraints": {"violation": violation},
    }


def _trial(
    evaluation: Evaluation,
    parameters: Mapping[str, float],
    distributions: Mapping[str, FloatDistribution],
    outcome: Mapping[str, Any],
) -> FrozenTrial:
    texts: dict[str, Any] = {"SMILES": evaluation.smiles, "parent": evaluation.parent, "failure": evaluation.failure}
    texts |= {name: value for name, value in evaluation.values.items() if name not in parameters}
    drawing = {"artifact_id": drawing_id(evaluation), "filename": f"MG-{evaluation.index:06d}.svg"}
    drawing |= {"mimetype": "image/svg+xml"}
    return create_trial(
        params=dict(parameters),
        distributions=dict(distributions),
        user_attrs={name: value for name, value in texts.items() if value != ""},
        system_attrs={f"{_ARTIFACT}{drawing['artifact_id']}": json.dumps(drawing | {"encoding": None})},
        **outcome,
    )
