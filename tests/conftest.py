"""What several test files share: the command line, loaded as users start it."""

import base64
import functools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, BinaryIO

import hypothesis
import pytest
import typer.main
import typer.testing
from typer import Typer
from typer.testing import CliRunner, Result

from molgen import paths

RunMolgen = Callable[..., Result]

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: two busy threads on a busy machine wait for each other
hypothesis.settings.register_profile("molgen", deadline=None)  # no test fails because the machine is busy
hypothesis.settings.load_profile("molgen")
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored, here and in what tests start


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own, never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MOLGEN_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True, scope="session")
def commands_are_built_once() -> Iterator[None]:
    """The runner builds all commands of the application anew at each call, which takes longer than most calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session")
def app() -> Typer:
    """The app behind the console script `molgen`."""
    (script,) = entry_points(group="console_scripts", name="molgen")
    loaded = script.load()
    assert isinstance(loaded, Typer)
    return loaded


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model with the tokens of the default checkpoint, for tests of all but the model."""
    import torch

    from molgen.model.vae import Vae, VaeConfig
    from molgen.tokens.selfies_vocabulary import Vocabulary
    from molgen.train.loop import make_model

    description = json.loads((paths.find_shipped("checkpoints") / "default.json").read_text())
    vocabulary = Vocabulary(tuple(description["vocabulary"]), description["constraints"])
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(3)
        vae = Vae(VaeConfig(len(vocabulary), latent_size=6, encoder_size=8, decoder_size=12))
    make_model(vocabulary, vae, 40).save(path)
    return path


@pytest.fixture(scope="session")
def save_tiny() -> Callable[..., None]:
    """Writes a small untrained checkpoint with all tokens of some SMILES: `save_tiny(path, smiles)`."""
    import torch

    from molgen.model.predictor import Predictor, PredictorConfig
    from molgen.model.vae import Vae, VaeConfig
    from molgen.tokens.selfies_vocabulary import Vocabulary, split, to_selfies
    from molgen.train.loop import make_model

    def save(path: Path, smiles: Sequence[str], max_tokens: int = 30, properties: tuple[str, ...] = ()) -> None:
        tokens = sorted({token for text in smiles for token in split(to_selfies(text))})
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(3)
            vae = Vae(VaeConfig(len(tokens) + 3, latent_size=6, encoder_size=8, decoder_size=12))
            predictor = Predictor(PredictorConfig(properties, latent_size=6)) if properties else None
        make_model(Vocabulary(tuple(tokens)), vae, max_tokens, predictor).save(path)

    return save


@pytest.fixture(scope="module")
def few_prior_samples() -> Iterator[None]:
    """Searches draw 50 prior samples at a time, since 500 take longer than all else in a small campaign."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("molgen.search.evolution.population.N_PRIOR_SAMPLES", 50)
        yield


@pytest.fixture(scope="module")
def few_scouts() -> Iterator[None]:
    """Directions are as long as 8 molecules say, since 40 take longer than all else in a fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("molgen.explore.direction.N_SCOUTS", 8)
        yield


@pytest.fixture
def run_molgen(app: Typer) -> RunMolgen:
    """Runs the command line in this process: `run_molgen("sample", "-n", 3).exit_code`."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.fixture(scope="session")
def partly_failing() -> str:
    """A scorer of the length of a SMILES, which has no value for CC, dies of CCC and raises for CCCC."""
    return """
        import os

        def score(smiles):
            if smiles == ["CCC"]:
                os._exit(7)
            if smiles == ["CCCC"]:
                raise ValueError("too long")
            return [None if text == "CC" else len(text) for text in smiles]
    """


@dataclass
class Kill:
    """Stands for a kill of the process after so many changes of files.

    Attributes:
        left: Changes that may still happen.
        happened: Whether it came to the kill.
    """

    left: int
    happened: bool = False


class Killed(BaseException):
    """Ends what a kill would end."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[Kill]]:
    """Ends a block after so many changes of files: `with kill_after(3) as kill: ...`.

    Every further change fails too, so that the block cannot mend anything while it ends.
    """
    kill = Kill(10**9)

    def limit(module: object, name: str) -> None:
        original = getattr(module, name)

        def change(*arguments: object, **options: object) -> object:
            kill.left -= 1
            if kill.left < 0:
                raise Killed
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, change)

    for name in ("rename", "replace", "unlink", "mkdir", "rmdir"):
        limit(Path, name)
    limit(shutil, "rmtree")
    limit(os, "link")
    limit(paths, "token_hex")

    @contextmanager
    def block(n: int) -> Iterator[Kill]:
        kill.left, kill.happened = n, False
        try:
            yield kill
        except Killed:
            kill.happened = True
        finally:
            kill.left = 10**9

    return block


class Page(HTMLParser):
    """A page of HTML.

    Attributes:
        tags: Its start tags, each with its attributes.
        text: What stands between the tags.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="session")
def parse_page() -> Callable[[str], Page]:
    """Reads the HTML of a page."""
    return Page


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program of a Chromium."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or pytest.skip("needs a Chromium")


class Browser:
    """A page in a headless Chromium, spoken to by the DevTools protocol over pipes.

    Attributes:
        complaints: What the page's console says of errors.
    """

    def __init__(self, to_browser: BinaryIO, from_browser: BinaryIO) -> None:
        self.to_browser, self.from_browser = to_browser, from_browser
        self.session: dict[str, str] = {}
        self.n_calls = 0
        self.complaints: list[str] = []

    def open(self, url: str) -> None:
        target = self.call("Target.createTarget", url=url)["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        self.call("Log.enable")
        self.call("Runtime.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        self.n_calls += 1
        message = {"id": self.n_calls, "method": method, "params": params, **self.session}
        self.to_browser.write(json.dumps(message).encode() + b"\0")
        self.to_browser.flush()
        answer: dict[str, Any] = {}
        while answer.get("id") != self.n_calls:
            answer = json.loads(b"".join(iter(lambda: self.from_browser.read(1), b"\0")))
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(str(answer["params"]))
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def value(self, script: str) -> Any:
        """What a script, or what it promises, comes to."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script: str, seconds: float = 300) -> None:
        """Waits until a script comes to something true."""
        ends = time.monotonic() + seconds
        while not self.value(f"!!({script})"):  # an element itself would come as an empty object
            assert time.monotonic() < ends, f"{script}\n{self.complaints}"
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        """Presses the mouse in the middle of an element, once it is there and enabled."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.wait(f"{found} && !{found}.disabled")
        self.value(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box, before = self.value(f"{found}.getBoundingClientRect().toJSON()"), None
        while box != before:  # the page may still grow
            time.sleep(0.2)
            box, before = self.value(f"{found}.getBoundingClientRect().toJSON()"), box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Replaces the text of a field."""
        self.click(selector)
        self.value(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def attach(self, selector: str, file: Path) -> None:
        """Chooses a file in a field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def picture(self, path: Path) -> None:
        """Writes a screenshot of the whole page, PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))


@pytest.fixture
def browser(tmp_path: Path, chromium: str) -> Iterator[Browser]:
    """A browser without network, but for servers of this machine."""
    (child_in, to_browser), (from_browser, child_out) = os.pipe(), os.pipe()
    arguments = " ".join([
        "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
        f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'"
    ])  # fmt: skip
    command = f'exec "{chromium}" {arguments} 3<&{child_in} 4>&{child_out} 2>/dev/null'
    with subprocess.Popen(["bash", "-c", command], pass_fds=(child_in, child_out)) as process:
        os.close(child_in)
        os.close(child_out)
        with open(to_browser, "wb") as writing, open(from_browser, "rb") as reading:
            yield Browser(writing, reading)
            process.terminate()
