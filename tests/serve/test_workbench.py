"""The workbench: strangers are refused, a reload loses nothing, and clicks lead from an upload to an SDF."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from rdkit import Chem

from molgen.search.ledger import read_evaluations

pytest.importorskip("uvicorn", reason="needs molgen-workbench[serve]")
pytest.importorskip("starlette", reason="needs molgen-workbench[serve]")

SMILES = [
    "CC(=O)Nc1ccc(O)cc1",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "CC(=O)Oc1ccccc1C(=O)O",
    "COc1ccc2cc(C(C)C(=O)O)ccc2c1",
    "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "CNCCC(Oc1ccc(C(F)(F)F)cc1)c1ccccc1",
    "Cc1ccc(S(N)(=O)=O)cc1",
]


class Workbench:
    """A running `molgen serve`, as a browser with a cookie of its own sees it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.host = urlsplit(address).netloc
        _, headers, _ = self.request("GET", address.removeprefix(f"http://{self.host}"))
        self.cookie = headers["set-cookie"].split(";")[0]

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self.host, timeout=900)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content

    def ask(self, action: str, **body: object) -> Any:
        """The JSON answer of an action."""
        method, content = ("POST", json.dumps(body).encode()) if body else ("GET", None)
        status, _, answer = self.request(method, f"/api/{action}", content, Cookie=self.cookie)
        assert status == 200, answer
        return json.loads(answer)

    def campaign(self, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.ask("state")["campaigns"] if one["name"] == name]
        return dict(found)

    def wait(self, name: str, *, state: str = "", n_scored: int = 0) -> dict[str, Any]:
        ends = time.monotonic() + 900
        while (seen := self.campaign(name))["n_scored"] < n_scored or state not in ("", seen["state"]):
            assert time.monotonic() < ends, seen
            assert not seen["message"], seen
            time.sleep(0.2)
        return seen


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory, save_tiny: Callable[..., None]) -> Iterator[Workbench]:
    """A workbench over an untrained checkpoint."""
    folder = tmp_path_factory.mktemp("serve")
    save_tiny(folder / "tiny.safetensors", SMILES, max_tokens=60)
    (folder / "assay.csv").write_text("smiles,name\n" + "".join(f"{s},m{i}\n" for i, s in enumerate(SMILES)) + "xx,y\n")
    (folder / "bench").mkdir()
    command = [Path(sys.executable).parent / "molgen", "serve", folder / "bench", "--port", "0", "--threads", "1"]
    command += ["--checkpoint", folder / "tiny.safetensors"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Workbench(folder, process.stdout.readline().strip())
        finally:
            process.terminate()


def test_strangers_are_refused(workbench: Workbench) -> None:
    own = workbench.cookie
    port = workbench.host.rpartition(":")[2]
    assert workbench.request("GET", "/")[0] == 403
    assert workbench.request("GET", "/api/state", Cookie=f"{workbench.cookie}x")[0] == 403
    assert workbench.request("GET", "/?token=wrong")[0] == 403
    assert workbench.request("GET", "/page/start.js")[0] == 403
    assert workbench.request("GET", "/", Cookie=own, Host=f"evil.example:{port}")[0] == 400
    assert workbench.request("POST", "/api/stop", b'{"name": "x"}', Cookie=own, Origin="http://evil.example")[0] == 403
    status, headers, _ = workbench.request("GET", "/", Cookie=own, Origin=f"http://{workbench.host}")
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'none'")
    _, headers, _ = workbench.request("GET", f"/?{urlsplit(workbench.address).query}")
    assert headers["location"] == "/"
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in headers["set-cookie"].split(";")}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("start", b'{"name": "../x", "maximize": ["qed"]}'),
        ("start", b'{"name": "x", "maximize": ["qed"], "scorer": ["/tmp/x.py:f"]}'),
        ("start", b'{"name": "x", "maximize": ["qed"], "budget": 0}'),
        ("candidates", b'{"name": "none", "top": 5}'),
        ("export", b'{"name": "none", "ids": ["MG-000001"]}'),
        ("resume", b'{"name": "none"}'),
        ("molecule", b'{"smiles": "C1CC"}'),
        ("neighbours", b'{"smiles": "CCO", "file": "../tiny.json", "n": 3}'),
        ("path", b"[]"),
        ("path", b"{"),
        ("upload?name=..%2Fx.csv", b"smiles\nCCO\n"),
        ("upload?name=x.csv", b"smiles\nxx\n"),
    ],
)
def test_what_cannot_be_done_is_explained(workbench: Workbench, action: str, body: bytes) -> None:
    status, _, answer = workbench.request("POST", f"/api/{action}", body, Cookie=workbench.cookie)
    assert status == 400
    assert json.loads(answer)["error"]
    assert str(workbench.folder / "bench" / "tmp") not in answer.decode()


def test_a_stopped_campaign_goes_on_and_a_second_browser_sees_it(workbench: Workbench) -> None:
    path = "/api/upload?name=assay.csv"
    content = (workbench.folder / "assay.csv").read_bytes()
    status, _, answer = workbench.request("POST", path, content, Cookie=workbench.cookie)
    assert status == 200
    assert json.loads(answer) == {"name": "assay.csv", "n_kept": 8, "rejected": {"not a SMILES": 1}}
    started = workbench.ask("start", name="long", maximize=["qed"], start=["assay.csv"], budget=60, batch=10)
    assert "--maximize qed --start " in started["command"]
    workbench.wait("long", n_scored=10)
    workbench.ask("stop", name="long")
    other = Workbench(workbench.folder, workbench.address)
    seen = other.wait("long", state="stopped")
    ledger = workbench.folder / "bench" / "runs" / "long" / "evaluations.csv"
    before = ledger.read_bytes()
    assert 10 <= seen["n_scored"] == len(read_evaluations(ledger)) < 60
    assert other.ask("resume", name="long")["command"].endswith("--resume " + str(ledger.parent))
    seen = workbench.wait("long", state="finished")
    assert seen["n_scored"] == 60 == len({evaluation.smiles for evaluation in read_evaluations(ledger)})
    assert ledger.read_bytes().startswith(before)
    manifest = json.loads((ledger.parent / "manifest.json").read_text())
    assert manifest["command"][:2] == ["molgen", "campaign"]


def test_clicks_lead_from_an_upload_to_an_sdf(workbench: Workbench, browser: Any) -> None:
    browser.open(workbench.address)
    browser.wait("document.querySelector('#new') && document.querySelector('#folder').textContent")
    browser.attach("#upload", workbench.folder / "assay.csv")
    browser.wait("document.querySelector('#uploaded').textContent.includes('8 molecules')")
    browser.type("#new [name=name]", "clicked")
    browser.type("#new [name=budget]", "16")
    browser.click("#new [type=submit]")
    browser.wait("document.querySelector('[data-name=clicked] .state')")
    browser.call("Page.reload")
    browser.wait("document.querySelector('[data-name=clicked] .state')?.textContent == 'finished'")
    browser.click("[data-name=clicked] button")
    browser.wait("document.querySelectorAll('#candidates .card svg path').length")
    n = browser.value("document.querySelectorAll('#candidates .card').length")
    assert 2 <= n <= 16
    browser.click("#candidates .card input")
    browser.click("#candidates .card:nth-child(2) input")
    browser.click("#candidates .export")
    browser.wait("document.querySelector('#candidates .note a')")
    sdf = workbench.folder / "bench" / "exports" / "clicked.sdf"
    written = [mol.GetProp("_Name") for mol in Chem.SDMolSupplier(str(sdf))]
    chosen = browser.value("[...document.querySelectorAll('.card.chosen .name')].map((label) => label.textContent)")
    assert sorted(written) == sorted(chosen)
    assert len(written) == 2
    status, headers, content = workbench.request("GET", "/api/exports/clicked.sdf", Cookie=workbench.cookie)
    assert (status, content) == (200, sdf.read_bytes())
    assert "attachment" in headers["content-disposition"]
    assert not browser.complaints
