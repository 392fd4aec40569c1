"""A running workbench, and browsers to use it."""

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

    smiles = SMILES

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

    def again(self) -> Workbench:
        """The same workbench as another browser sees it, with another cookie."""
        return Workbench(self.folder, self.address)

    def upload(self, name: str, content: bytes) -> tuple[int, Any]:
        """Status and JSON answer of an upload."""
        status, _, answer = self.request("POST", f"/api/upload?name={name}", content, Cookie=self.cookie)
        return status, json.loads(answer)

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
    for package in ("starlette", "uvicorn"):
        pytest.importorskip(package, reason="needs molgen-workbench[serve]")
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


@pytest.fixture(scope="module")
def driven(chromium: str) -> Iterator[Any]:
    """A headless Chromium that Playwright drives."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(driven: Any, workbench: Workbench) -> Iterator[Callable[[], Any]]:
    """Opens the workbench in a browser with cookies of its own; nothing may go wrong in any of them."""
    complaints: list[str] = []
    contexts = []

    def open_page() -> Any:
        context = driven.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(600_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(workbench.address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
