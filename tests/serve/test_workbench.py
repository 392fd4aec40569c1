"""The routes of the workbench: strangers are refused, mistakes are explained, campaigns can be stopped and resumed."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from rdkit import Chem

from molgen.search.ledger import read_evaluations


def test_strangers_are_refused(workbench: Any) -> None:
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
        ("cards", b'{"smiles": "CCO"}'),
        ("sketch", b'{"smiles": "C1CC"}'),
        ("read_sketch", b'{"molfile": "no block"}'),
        ("read_sketch", b'{"molfile": 1}'),
        ("walk", b'{"smiles": "CC(=O)Nc1ccc(O)cc1", "along": "nonsense", "steps": 3}'),
        ("walk", b'{"smiles": "CC(=O)Nc1ccc(O)cc1", "along": "../tiny.json", "steps": 3}'),
        ("learn_direction", b'{"name": "../x", "file": "none.csv", "property": "y"}'),
        ("learn_direction", b'{"name": "x", "file": "none.csv", "property": "y"}'),
        ("new_project", b'{"name": "../x", "file": "none.csv", "direction": "maximize"}'),
        ("new_project", b'{"name": "x", "file": "none.csv", "direction": "maximize"}'),
        ("propose", b'{"name": "none", "n": 3, "explore": "safe"}'),
        ("tell", b'{"name": "none", "file": "none.csv"}'),
        ("project", b'{"name": "none"}'),
        ("like", b'{"smiles": "C1CC", "liked": true}'),
        ("like", b'{"smiles": "CCO", "liked": 2}'),
        ("start", b'{"name": "x", "maximize": ["liked"]}'),
        ("draw", b'{"file": "../tiny.json", "method": "pca", "colours": []}'),
        ("draw", b'{"file": "none.smi", "method": "pca", "colours": []}'),
        ("upload?name=..%2Fx.csv", b"smiles\nCCO\n"),
        ("upload?name=x.csv", b"smiles\nxx\n"),
    ],
)
def test_what_cannot_be_done_is_explained(workbench: Any, action: str, body: bytes) -> None:
    status, _, answer = workbench.request("POST", f"/api/{action}", body, Cookie=workbench.cookie)
    assert status == 400
    assert json.loads(answer)["error"]
    assert str(workbench.folder / "bench" / "tmp") not in answer.decode()


def test_nothing_that_was_uploaded_is_replaced(workbench: Any) -> None:
    first = workbench.upload("twice.smi", b"CCO\n")
    assert first == workbench.upload("twice.smi", b"CCO\n") == (200, {"name": "twice.smi", "n_kept": 1, "rejected": {}})
    status, answer = workbench.upload("twice.smi", b"CCN\n")
    assert (status, answer["error"]) == (400, "file: there is another twice.smi\nRename the file.")
    assert (workbench.folder / "bench" / "files" / "twice.smi").read_bytes() == b"CCO\n"


def test_a_map_is_drawn_beside_an_earlier_one_and_can_reach_nothing(workbench: Any) -> None:
    workbench.upload("map.smi", "\n".join(workbench.smiles).encode())
    for method, colours in (("magic", []), ("pca", ["no such column"])):
        body = json.dumps({"file": "map.smi", "method": method, "colours": colours}).encode()
        assert workbench.request("POST", "/api/draw", body, Cookie=workbench.cookie)[0] == 400
    names = [workbench.ask("draw", file="map.smi", method="pca", colours=["mw"])["name"] for _ in range(2)]
    assert names == ["map.smi", "map.smi-2"]
    ends = time.monotonic() + 900
    while {each["state"] for each in workbench.ask("state")["maps"]} != {"finished"}:
        assert time.monotonic() < ends
        time.sleep(0.2)
    assert workbench.request("GET", "/maps/map.smi")[0] == 403
    for path in ("/maps/none", "/maps/..%2Fspec"):
        assert workbench.request("GET", path, Cookie=workbench.cookie)[0] in (400, 404)
    status, headers, page = workbench.request("GET", "/maps/map.smi-2", Cookie=workbench.cookie)
    assert (status, page[:15]) == (200, b"<!doctype html>")
    assert "sandbox allow-scripts allow-downloads; default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "smiles", ["C[C@H](N)C(=O)O", "O=C(O)/C=C/C(=O)O", "C[N+](C)(C)C", "[2H]C([2H])[2H]", "C[C@H]1CC[C@@H](C)CC1"]
)
def test_a_molecule_is_the_same_after_a_visit_to_the_editor(workbench: Any, smiles: str) -> None:
    molfile = workbench.ask("sketch", smiles=smiles)["molfile"]
    assert workbench.ask("read_sketch", molfile=molfile)["smiles"] == Chem.CanonSmiles(smiles)


def test_likes_are_kept_and_a_campaign_follows_a_copy_of_them(workbench: Any) -> None:
    first, second = workbench.smiles[:2]
    workbench.ask("like", smiles=first, liked=True)
    workbench.ask("like", smiles=second, liked=False)
    workbench.ask("like", smiles="OCC", liked=True)
    assert workbench.ask("like", smiles="CCO", liked=None)["likes"] == {first: True, second: False}
    folder = workbench.folder / "bench"
    likes = (folder / "likes.csv").read_text()
    assert likes == f"smiles,liked\n{first},1\n{second},0\n"
    asked = {"name": "followed", "maximize": ["liked", "qed"], "start": workbench.smiles, "budget": 4}
    command = workbench.ask("start", **asked)["command"]
    copy = folder / "likes" / "followed.csv"
    assert f"--maximize liked:{copy} --maximize qed" in command
    workbench.ask("like", smiles=second, liked=True)
    assert workbench.again().ask("state")["likes"] == {first: True, second: True}
    assert copy.read_text() == likes
    workbench.wait("followed", state="finished")
    (evaluation, *_) = read_evaluations(folder / "runs" / "followed" / "evaluations.csv")
    assert f"liked:{copy}" in evaluation.values


def test_a_stopped_campaign_goes_on_and_a_second_browser_sees_it(workbench: Any) -> None:
    content = (workbench.folder / "assay.csv").read_bytes()
    kept = {"name": "assay.csv", "n_kept": 8, "rejected": {"not a SMILES": 1}}
    assert workbench.upload("assay.csv", content) == (200, kept)
    started = workbench.ask("start", name="long", maximize=["qed"], start=["assay.csv"], budget=60, batch=10)
    assert "--maximize qed --start " in started["command"]
    workbench.wait("long", n_scored=10)
    workbench.ask("stop", name="long")
    other = workbench.again()
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
