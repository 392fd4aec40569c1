"""A campaign as a study: values, directions and parameters are those of the ledger; a server draws its molecules."""

import json
import math
import socket
from threading import Thread
from urllib.request import urlopen

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.output.dashboard import (
    HOST,
    SHOWN_DESCRIPTORS,
    MoleculeDrawings,
    add_campaign_study,
    make_dashboard_server,
)
from molgen.search.ledger import Evaluation
from molgen.search.spec import CampaignSpec

SMILES = [parse(text).smiles for text in ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "Clc1ccccc1")]


def evaluations(dock: float = -5.0) -> list[Evaluation]:
    """Three molecules; `dock` is a value of the second."""
    return [
        Evaluation(
            index,
            smiles,
            {"qed": 0.1 * index, "sa": 3.0 - index, "dock": dock if index == 2 else -7.0},
            {"qed": 0.1 * index, "sa": 0.9},
            0.2 * index,
            float(index == 3),
            math.nan,
            SMILES[0] if index > 1 else "",
        )
        for index, smiles in enumerate(SMILES, 1)
    ]


def trials_of(spec: CampaignSpec, lines: list[Evaluation]) -> tuple[optuna.Study, list[optuna.trial.FrozenTrial]]:
    storage = InMemoryStorage()
    add_campaign_study(storage, "mine", spec, lines)
    study = optuna.load_study(study_name="mine", storage=storage)
    return study, study.trials


def test_one_objective_is_the_total_and_measures_and_descriptors_are_parameters() -> None:
    study, trials = trials_of(CampaignSpec(maximize=("qed",)), evaluations())
    assert study.metric_names == ["total"]
    assert [trial.value for trial in trials] == pytest.approx([0.2, 0.4, 0.6])
    assert all(set(trial.params) == {"qed", "sa", "dock", *SHOWN_DESCRIPTORS} for trial in trials)
    assert trials[1].params["mw"] == DESCRIPTORS["mw"].function(parse(SMILES[1]).mol)
    assert [trial.user_attrs.get("parent") for trial in trials] == [None, SMILES[0], SMILES[0]]
    assert study.best_trial.number == 1  # the third violates a constraint


def test_objectives_kept_apart_have_their_names_directions_and_raw_values() -> None:
    spec = CampaignSpec(maximize=("qed",), target=("sa = 1",), minimize=("dock",), pareto=True)
    study, trials = trials_of(spec, evaluations())
    assert study.metric_names == ["qed", "dock", "desirability of sa"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE", "MAXIMIZE"]
    assert trials[1].values == pytest.approx([0.2, -5.0, 0.9])
    assert set(trials[1].params) == {"sa", *SHOWN_DESCRIPTORS}


def test_a_measure_without_a_value_is_no_parameter_and_a_molecule_without_total_failed() -> None:
    spec = CampaignSpec(maximize=("qed",), minimize=("dock",), pareto=True)
    _, trials = trials_of(spec, evaluations(dock=math.nan))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    _, trials = trials_of(CampaignSpec(maximize=("qed",)), evaluations(dock=math.nan))
    assert all("dock" not in trial.params for trial in trials)


def test_drawings_cannot_be_changed() -> None:
    drawings = MoleculeDrawings(SMILES)
    assert drawings.open_reader("00000001").read().startswith(b"<svg")
    with pytest.raises(PermissionError, match="read-only"):
        drawings.write("1", drawings.open_reader("0"))
    with pytest.raises(PermissionError, match="read-only"):
        drawings.remove("1")


def test_a_server_gives_the_study_and_its_drawings() -> None:
    pytest.importorskip("optuna_dashboard")
    lines = evaluations()
    storage = InMemoryStorage()
    add_campaign_study(storage, "mine", CampaignSpec(maximize=("qed",)), lines)
    with make_dashboard_server(storage, lines, 0) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://{HOST}:{server.server_port}"
        idle = socket.create_connection((HOST, server.server_port))  # as browsers open them in advance
        study = json.loads(urlopen(f"{address}/api/studies/0", timeout=30).read())
        (artifact,) = study["trials"][2]["artifacts"]
        answer = urlopen(f"{address}/artifacts/0/2/{artifact['artifact_id']}", timeout=30)
        drawn = answer.read()
        idle.close()
        server.shutdown()
        thread.join()
    assert artifact["filename"] == "MG-000003.svg"
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert drawn == MoleculeDrawings(SMILES).open_reader("2").read()
