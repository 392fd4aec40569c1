"""Choices in a dashboard, asked for as its page does: none is lost, none is in the run, and later ones follow."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from optuna.storages import InMemoryStorage
from typer.testing import Result

from molgen.chem.molecule import parse
from molgen.errors import FileError, NothingValidError, SpecError
from molgen.explore.comparisons import read_comparisons, write_comparisons
from molgen.output.choices import N_SHOWN, ChoiceFile, ChoiceStorage
from molgen.output.dashboard import HOST, MoleculeDrawings, add_campaign_study, make_dashboard_server
from molgen.run import RunFolder
from molgen.search.ledger import Evaluation, Ledger
from molgen.search.spec import CampaignSpec

SMILES = [parse(f"{'C' * n}{ring}").smiles for n in (1, 2, 3) for ring in ("c1ccccc1", "c1ccncc1", "C1CCCC1", "O")]
SPEC = CampaignSpec(maximize=("qed",), budget=len(SMILES))
SPEC_OF_RUN = {"maximize": ["qed"], "budget": len(SMILES)}

pytestmark = pytest.mark.usefixtures("dashboard_package")


@pytest.fixture(scope="module")
def dashboard_package() -> None:
    pytest.importorskip("optuna_dashboard", reason="needs molgen-workbench[dashboard]")


def evaluations(smiles: list[str], *, violation: float = 0.0) -> list[Evaluation]:
    """A ledger with falling totals."""
    return [
        Evaluation(index, text, {"qed": 1 / index}, {}, 1 / index, violation, float("nan"), "")
        for index, text in enumerate(smiles, 1)
    ]


LEDGER = evaluations(SMILES)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a campaign."""
    path = tmp_path / "run"
    with RunFolder.begin(path, SPEC_OF_RUN, ("evaluations.csv",)):
        Ledger(path / "evaluations.csv", ("qed",), ()).begin(LEDGER)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "choices.csv"


class Page:
    """What the page of a preferential study asks the server for."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.study_id = address.rpartition("/")[2]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        connection = HTTPConnection(self.host, timeout=60)
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def study(self) -> dict[str, Any]:
        status, content = self.ask("GET", f"/api/studies/{self.study_id}")
        assert status == 200, content
        return dict(json.loads(content))

    def history(self) -> list[dict[str, Any]]:
        return [entry["history"] for entry in self.study()["preference_history"] if not entry["is_removed"]]

    def shown(self) -> dict[str, int]:
        """The trials to choose from by SMILES; the page hides those named worst before."""
        study = self.study()
        hidden = {choice["clicked"] for choice in self.history()}
        trials = [trial for trial in study["trials"] if trial["number"] not in hidden]
        attributes = [{each["key"]: each["value"] for each in trial["user_attrs"]} for trial in trials]
        drawings = [trial["artifacts"][0]["artifact_id"] for trial in trials]
        assert study["feedback_component_type"] == {"output_type": "artifact", "artifact_key": "drawing"}
        assert [each["drawing"] for each in attributes] == drawings
        assert all({"qed", "mw"} <= {each["name"] for each in trial["params"]} for trial in trials)
        return {each["SMILES"]: trial["number"] for each, trial in zip(attributes, trials, strict=True)}

    def choose(self, candidates: Any, clicked: Any) -> int:
        body = {"candidates": candidates, "clicked": clicked, "mode": "ChooseWorst"}
        status, content = self.ask("POST", f"/api/studies/{self.study_id}/preference", body)
        assert isinstance(json.loads(content), dict)  # the page reads JSON from every answer
        return status

    def choose_worst(self, smiles: str) -> list[tuple[str, str]]:
        """Names the worst of all that are shown; the comparisons that follow."""
        shown = self.shown()
        assert self.choose(list(shown.values()), shown[smiles]) == 200
        return [(better, smiles) for better in shown if better != smiles]


@contextmanager
def served(path: Path, run: Path, lines: list[Evaluation] = LEDGER, top: int = len(SMILES)) -> Iterator[Page]:
    """A dashboard in this process. It shows trials as they were up to two seconds ago, so tests start it again."""
    storage = ChoiceStorage(ChoiceFile(path, run))
    add_campaign_study(storage, "mine", SPEC, lines)
    study_id = storage.add_choice_study("mine: choices", lines, top)
    with make_dashboard_server(storage, lines, 0) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield Page(f"http://{HOST}:{server.server_port}/dashboard/studies/{study_id}")
        server.shutdown()
        thread.join()


def test_the_best_molecules_are_shown_and_a_choice_is_in_the_file_when_the_answer_comes(path: Path, run: Path) -> None:
    with served(path, run) as page:
        shown = page.shown()
        assert len(shown) == N_SHOWN
        assert next(iter(shown)) == SMILES[0]
        (artifact,) = page.study()["trials"][0]["artifacts"]
        _, drawn = page.ask("GET", f"/artifacts/{page.study_id}/{len(SMILES)}/{artifact['artifact_id']}")
        assert drawn == MoleculeDrawings(SMILES).open_reader("0").read()
        assert not path.exists()
        worst = list(shown)[2]
        wanted = page.choose_worst(worst)
        assert read_comparisons(path) == wanted
        assert len(wanted) == N_SHOWN - 1
        study_id = page.study_id
    with served(path, run) as page:
        assert page.study_id == study_id
        assert len(page.shown()) == N_SHOWN
        assert worst not in page.shown()
        assert set(shown) - {worst} < set(page.shown())


def test_a_choice_is_taken_back_and_made_again_also_by_a_later_dashboard(path: Path, run: Path) -> None:
    with served(path, run) as page:
        first = page.choose_worst(SMILES[0])
    with served(path, run) as page:
        second = page.choose_worst(list(page.shown())[3])
        assert read_comparisons(path) == [*first, *second]
    with served(path, run) as page:
        choices = page.history()
        assert [len(choice["candidates"]) for choice in choices] == [N_SHOWN, N_SHOWN]
        address = f"/api/studies/{page.study_id}/preference/{choices[0]['id']}"
        assert page.ask("DELETE", address)[0] == 200
        assert read_comparisons(path) == second
        assert page.ask("POST", address)[0] == 200
        assert read_comparisons(path) == [*first, *second]
        for choice in choices:
            page.ask("DELETE", f"/api/studies/{page.study_id}/preference/{choice['id']}")
    assert read_comparisons(path) == []
    with served(path, run) as page:
        assert page.history() == []


def test_choices_end_when_all_molecules_but_one_are_worse(path: Path, run: Path) -> None:
    for n_left in range(len(SMILES), 0, -1):
        with served(path, run) as page:
            shown = page.shown()
            assert len(shown) == min(n_left, N_SHOWN)
            page.choose_worst(list(shown)[-1])
    assert len({worse for _, worse in read_comparisons(path)}) == len(SMILES) - 1


def test_top_limits_the_molecules_and_a_campaign_without_any_is_refused(path: Path, run: Path) -> None:
    with served(path, run, top=3) as page:
        assert len(page.shown()) == 3
    with pytest.raises(NothingValidError):
        ChoiceStorage(ChoiceFile(path, run)).add_choice_study("x", evaluations(SMILES, violation=1.0), 5)


def test_campaigns_share_a_file_and_lose_nothing_of_each_other(path: Path, run: Path) -> None:
    foreign = [("CCCCN", "CCCCO"), (SMILES[0], "CCCCO"), ("CCCCN", SMILES[1])]
    write_comparisons(path, [foreign[0], (SMILES[2], SMILES[3]), *foreign[1:]])
    with served(path, run) as page:
        assert [len(choice["candidates"]) for choice in page.history()] == [2]
        chosen = page.choose_worst(SMILES[2])
    assert sorted(read_comparisons(path)) == sorted([*foreign, (SMILES[2], SMILES[3]), *chosen])
    with served(path, run, evaluations(["CCCCN", "CCCCO"])) as page:
        assert set(page.shown()) == {"CCCCN"}


@pytest.mark.parametrize(
    ("candidates", "clicked"),
    [([0, 1, 999], 0), ([0, 1], 999), ([-2, 1], 1), ([0, 10**30], 0), (["x"], 0), ([None], 0), ("no", 1), ([0], -5)],
)
def test_a_choice_of_no_trial_is_refused_and_the_next_one_is_kept(
    path: Path, run: Path, candidates: Any, clicked: Any
) -> None:
    with served(path, run) as page:
        assert page.choose(candidates, clicked) >= 400
        assert page.ask("POST", f"/api/studies/{page.study_id}/preference", b"{")[0] >= 400
        assert page.ask("DELETE", f"/api/studies/{page.study_id}/preference/nothing")[0] == 404
        assert not path.exists()
        wanted = page.choose_worst(SMILES[0])
        assert read_comparisons(path) == wanted


def test_choices_made_at_once_are_all_kept(path: Path, run: Path) -> None:
    with served(path, run) as page:
        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(lambda worst: page.choose([0, worst], worst), range(1, N_SHOWN)))
        assert answers == [200] * (N_SHOWN - 1)
        shown = {number: smiles for smiles, number in page.shown().items()}
        assert len(page.history()) == N_SHOWN - 1
    assert shown[0] == SMILES[0]
    assert {better for better, _ in read_comparisons(path)} == {SMILES[0]}
    assert len({worse for _, worse in read_comparisons(path)}) == N_SHOWN - 1


def test_choices_outlive_their_study(path: Path, run: Path) -> None:
    with served(path, run) as page:
        wanted = page.choose_worst(SMILES[0])
        address = f"/api/studies/{page.study_id}"
        assert page.ask("DELETE", address)[0] == 500  # drawings cannot be removed
        assert page.ask("DELETE", address, {"remove_associated_artifacts": False})[0] == 200
        assert page.choose([0, 1], 1) == 500
    assert read_comparisons(path) == wanted
    with served(path, run) as page:
        assert len(page.history()) == 1


def test_a_file_that_someone_else_changed_is_left_alone(path: Path, run: Path) -> None:
    with served(path, run) as page:
        page.choose_worst(SMILES[0])
        write_comparisons(path, [("CCO", "CCN")])
        shown = page.shown()
        assert page.choose(list(shown.values()), max(shown.values())) == 500
        assert len(page.history()) == 1
    assert read_comparisons(path) == [("CCO", "CCN")]


def test_a_choice_that_cannot_be_written_is_refused_and_not_held(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with served(folder / "choices.csv", run) as page:
        folder.rmdir()
        shown = page.shown()
        assert page.choose(list(shown.values()), 0) == 500
        assert page.history() == []
        folder.mkdir()
        page.choose_worst(SMILES[0])
    assert len(read_comparisons(folder / "choices.csv")) == N_SHOWN - 1


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_killed_dashboard_goes_on_and_the_run_is_as_it_was(path: Path, run: Path) -> None:
    before, chosen = contents(run), []
    script = Path(sys.executable).parent / "molgen"
    command = [str(script), "dashboard", str(run), "--prefer", str(path), "--port", "0"]
    for turn in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            page = Page(process.stdout.readline().strip())
            assert len(page.history()) == turn
            chosen += page.choose_worst(list(page.shown())[turn])
            process.send_signal(signal.SIGKILL)
        assert read_comparisons(path) == chosen
    assert contents(run) == before
    assert [file.name for file in path.parent.iterdir() if file != run] == [path.name]


@pytest.mark.parametrize("name", ["run/choices.csv", "link.csv", "linked/choices.csv", "run/../run/candidates.csv"])
def test_a_file_in_the_run_is_refused(run_molgen: Callable[..., Result], tmp_path: Path, run: Path, name: str) -> None:
    (tmp_path / "link.csv").symlink_to(run / "choices.csv")
    (tmp_path / "linked").symlink_to(run)
    before = contents(run)
    result = run_molgen("dashboard", run, "--prefer", tmp_path / name, "--port", 0)
    assert result.exit_code == 2
    assert "is in " in result.stderr
    assert contents(run) == before


def test_what_is_no_file_of_comparisons_is_refused_and_kept(
    run_molgen: Callable[..., Result], tmp_path: Path, run: Path
) -> None:
    likes = tmp_path / "likes.csv"
    likes.write_text("smiles,liked\nCCO,1\n")
    shutil.copy(run / "evaluations.csv", tmp_path / "copy.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("likes.csv", "copy.csv", "folder.csv", "choices.tsv", "choices", "absent/choices.csv"):
        result = run_molgen("dashboard", run, "--prefer", tmp_path / name, "--port", 0)
        assert result.exit_code == 2, name
        assert "Traceback" not in result.stderr
    assert likes.read_text() == "smiles,liked\nCCO,1\n"
    with pytest.raises(SpecError, match=r"must end in \.csv"):
        ChoiceFile(tmp_path / "choices.csv.gz", run)
    with pytest.raises(FileError, match="better,worse"):
        ChoiceFile(likes, run)


def test_a_storage_without_the_study_holds_any_attribute(path: Path, run: Path) -> None:
    storage = ChoiceStorage(ChoiceFile(path, run))
    assert isinstance(storage, InMemoryStorage)
    add_campaign_study(storage, "mine", SPEC, LEDGER)
    storage.set_study_system_attr(0, "preference:values", [[99, 100]])
    assert storage.get_study_system_attrs(0)["preference:values"] == [[99, 100]]
    assert not path.exists()
