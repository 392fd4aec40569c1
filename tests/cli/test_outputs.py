"""What a command writes never costs a file: of every command and every option that names an output."""

import ast
import inspect
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from typer import Typer
from typer.main import get_command
from typer.models import ArgumentInfo, ParameterInfo

from molgen.chem.table import write_rejections
from molgen.errors import FileError
from molgen.latent.space import LatentSpace
from molgen.latent.vectors import Vectors, write_vectors
from molgen.paths import find_shipped, replace_file, require_no_input, write_text
from molgen.run import RunFolder

Run = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command line: the exit code, and what it told on standard error."""

pytestmark = pytest.mark.filterwarnings("default::FutureWarning")  # of the old names of commands, which are tried too

ROOT = Path(__file__).resolve().parents[2]
SMILES = ["CCO", "c1ccccc1O", "CC(=O)O", "C[C@H](N)C(=O)O", "CCCCCC"]
MODEL = {"checkpoint": "tiny.safetensors"}
DATA = {"data": "molecules.csv"}

COMMANDS: dict[str, dict[str, str]] = {
    "train": DATA | {"epochs": "0", "leave_out": "others.smi", "init": "tiny.safetensors"},
    "evaluate": DATA | MODEL,
    "encode": DATA | MODEL,
    "decode": {"vectors": "vectors.csv"} | MODEL,
    "sample": {"n": "2"} | MODEL,
    "campaign": {"maximize": "qed", "budget": "5", "start": "others.smi", "out": "free"} | MODEL,
    "export": {"run": "run"} | MODEL,
    "report": {"run": "run"} | MODEL,
    "dashboard": {"run": "run"},
    "receptor": {"protein": "molecules.csv", "ligand": "others.smi", "out": "free"},
    "serve": {"folder": "workbench"} | MODEL,
    "index": {"files": "molecules.csv"} | MODEL,
    "curate": DATA,
    "familiarise": DATA | {"checkpoints": "tiny.safetensors"},
    "fit": {"data": "molecules.csv", "property": "y"} | MODEL,
    "propose": {"project": "project"},
    "tell": {"results": "molecules.csv", "project": "project"},
    "project new": {"data": "molecules.csv", "property": "y"} | MODEL,
    "project status": {"project": "project"},
    "predict": DATA | {"known": "molecules.csv"} | MODEL,
    "explore map": DATA | MODEL,
    "explore outliers": DATA | MODEL,
    "explore neighbours": {"query": "CCO", "library": "molecules.csv"} | MODEL,
    "explore recommend": {"like": "molecules.csv", "dislike": "others.smi", "library": "molecules.csv"} | MODEL,
    "explore path": {"start": "CCO", "end": "CCN"} | MODEL,
    "explore analogy": {"molecules": "CCO", "pairs": "pairs.csv"} | MODEL,
    "explore units": DATA | MODEL,
    "explore dims": DATA | MODEL,
    "explore direction": DATA | {"descriptor": "logp"} | MODEL,
    "explore probe-layers": DATA | MODEL,
    "explore layers": DATA | MODEL,
    "explore steer": {"molecule": "CCO", "along": "direction.json"} | MODEL,
    "benchmark speed": DATA | {"seconds": "0.01"} | MODEL,
    "benchmark pmo": {"score": "molecules.csv", "out": "free.csv"} | MODEL,
    "benchmark predictors": {"data": "molecules.csv", "seeds": "1"} | MODEL,
    "benchmark rounds": {
        "data": "molecules.csv",
        "seeds": "1",
        "proposer": "random",
        "start": "2",
        "n_rounds": "1",
        "n": "1",
    }
    | MODEL,
    "benchmark assay": DATA | {"seeds": "1"} | MODEL,
    "benchmark instruments": DATA | {"assay": "molecules.csv"} | MODEL,
}
"""What each command is given besides its outputs: values by the names of its parameters. A new command gets a line."""

AS_FOLDER = {"benchmark pmo": {"tasks": "qed", "budget": "5", "seeds": "1"} | MODEL}
"""The same, of commands whose output is a file or a folder, where it is a folder."""

SUFFIXES = {
    ("index", "output"): ".safetensors",
    ("familiarise", "output"): ".safetensors",
    ("fit", "output"): ".safetensors",
    ("export", "plot"): ".svg",
    ("evaluate", "figure"): ".svg",
    ("report", "output"): ".html",
    ("explore direction", "output"): ".json",
    ("benchmark instruments", "output"): ".json",
}
"""What an output must end in, where it is not .csv."""


def commands_of(app: Typer, before: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """All commands of an app, groups included, by their full names."""
    for command in app.registered_commands:
        function = command.callback
        assert function is not None
        yield f"{before}{command.name or function.__name__.replace('_', '-')}", function
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands_of(group.typer_instance, f"{before}{group.name} ")


def load_app() -> Typer:
    """The app behind the console script, for use in parameters of tests."""
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="molgen")
    app = script.load()
    assert isinstance(app, Typer)
    return app


def declared(function: Callable[..., Any]) -> dict[str, tuple[Any, ParameterInfo]]:
    """Type and declaration of each parameter of a command."""
    hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    return {
        name: (hint.__origin__, info)
        for name, hint in hints.items()
        for info in getattr(hint, "__metadata__", ())
        if isinstance(info, ParameterInfo)
    }


PARAMETERS = {name: declared(function) for name, function in commands_of(load_app())}
OUTPUTS = [(name, key) for name, roles in PARAMETERS.items() for key, (_, info) in roles.items() if info.writable]
FILES = [(name, key) for name, key in OUTPUTS if PARAMETERS[name][key][1].file_okay]
FOLDERS = [(name, key) for name, key in OUTPUTS if PARAMETERS[name][key][1].dir_okay]
INPUTS = [
    (name, key)
    for name, roles in PARAMETERS.items()
    for key, (kind, info) in roles.items()
    if not info.writable and "Path" in str(kind)
]


def flags_of(name: str, info: ParameterInfo) -> list[str]:
    """How an option is written on the command line; Typer keeps the first of what was declared as the default."""
    declared = [info.default, *(getattr(info, "param_decls", None) or ())]
    flags = [text for text in declared if isinstance(text, str) and text.startswith("-")]
    return flags or [f"--{name.replace('_', '-')}"]


def suffix_of(command: str, key: str) -> str:
    """What a file that an option names must end in; nothing for a folder."""
    is_file = PARAMETERS[command][key][1].file_okay
    return SUFFIXES.get((command, key), ".csv") if is_file else ""


def command_line(command: str, given: Mapping[str, str | Path], *, is_forced: bool = False) -> list[str]:
    """The words of a command with these values; an output that it needs and that is not given goes to a free place."""
    roles = PARAMETERS[command]
    needed = [key for name, key in OUTPUTS if name == command and roles[key][0] is Path]
    free = {key: f"free{suffix_of(command, key)}" for key in needed}
    words = command.split()
    for name, value in {**free, **given}.items():
        info = roles[name][1]
        words += [str(value)] if isinstance(info, ArgumentInfo) else [flags_of(name, info)[0], str(value)]
    return [*words, "--force"] if is_forced and "is_forced" in roles else words


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory, save_tiny: Callable[..., None]) -> Path:
    """A folder with all the files that `COMMANDS` names."""
    folder = tmp_path_factory.mktemp("originals")
    save_tiny(folder / "tiny.safetensors", SMILES)
    z = LatentSpace.load(folder / "tiny.safetensors").encode(SMILES)
    write_vectors(folder / "vectors.csv", Vectors(z, tuple(SMILES)))
    (folder / "molecules.csv").write_text("smiles,y\n" + "".join(f"{text},{i}\n" for i, text in enumerate(SMILES)))
    (folder / "others.smi").write_text("CCN\nC(\n")
    (folder / "pairs.csv").write_text("smiles_a,smiles_b\nCCO,CCN\n")
    (folder / "direction.json").write_text("{}")
    with RunFolder.begin(folder / "run", {"budget": 5}, ("evaluations.csv",)):
        (folder / "run" / "evaluations.csv").write_text("call,smiles\n")
    return folder


@pytest.fixture
def folder(originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the originals, where commands are run."""
    path = tmp_path / "here"
    shutil.copytree(originals, path)
    monkeypatch.chdir(path)
    return path


@pytest.fixture(scope="module")
def command_of_app(app: Typer) -> Any:
    """The app, built once: that takes longer than a command that is refused."""
    return get_command(app)


@pytest.fixture
def run(command_of_app: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(words: Sequence[str]) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_of_app.main(list(words), prog_name="molgen")
        return int(ended.value.code or 0), capsys.readouterr().err

    return call


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of all that is in a folder; a link is what it points to by name."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        seen[str(path.relative_to(folder))] = (status.st_mode, data)
    return seen


def require_refused(run: Run, folder: Path, command: str, words: list[str]) -> str:
    """Runs a command that must end with 2 and change nothing; its message."""
    before = contents(folder)
    code, told = run(words)
    assert (code, contents(folder) == before) == (2, True), (words, told)
    assert "internal error" not in told
    return told


def test_every_command_is_tried() -> None:
    assert set(COMMANDS) == set(PARAMETERS)
    assert all(set(given) <= set(PARAMETERS[command]) for command, given in COMMANDS.items())


def test_what_is_named_like_an_output_is_declared_as_one() -> None:
    for command, roles in PARAMETERS.items():
        for key, (_, info) in roles.items():
            if {"-o", "--output", "--out", "--rejects", "--figure"} & set(flags_of(key, info)):
                assert info.writable, (command, key)


def test_an_output_that_may_be_replaced_asks_for_force_and_tells_so() -> None:
    for command, key in FILES:
        assert "is_forced" in PARAMETERS[command], (command, key)


@pytest.mark.parametrize(("command", "key"), INPUTS)
def test_an_option_that_is_not_declared_an_output_makes_no_file(run: Run, folder: Path, command: str, key: str) -> None:
    given = COMMANDS[command] | {key: "absent.csv"}
    run(command_line(command, given))
    assert not (folder / "absent.csv").exists()


def sources_of(folder: Path, given: Mapping[str, str]) -> list[Path]:
    """The files among what a command is given, those of a checkpoint and of a run included."""
    named = [folder / value for value in given.values() if (folder / value).exists()]
    beside = [path.with_suffix(".json") for path in named if path.suffix == ".safetensors"]
    return [path / "evaluations.csv" if path.is_dir() else path for path in named + beside]


@pytest.mark.parametrize("way", ["itself", "hard link", "symbolic link", "link to a link"])
@pytest.mark.parametrize(("command", "key"), FILES)
def test_a_file_that_is_read_is_never_written(run: Run, folder: Path, command: str, key: str, way: str) -> None:
    given = COMMANDS[command]
    for number, source in enumerate(sources_of(folder, given)):
        output = folder / f"link-{number}{suffix_of(command, key)}"
        if way == "itself":
            output = source
        elif way == "hard link":
            output.hardlink_to(source)
        else:
            between = folder / f"between-{number}"
            between.symlink_to(source)
            output.symlink_to(between if way == "link to a link" else source)
        words = command_line(command, given | {key: str(output)}, is_forced=True)
        message = require_refused(run, folder, command, words)
        if command not in ("export", "report") or source.name != "evaluations.csv":
            assert "is read by this command" in message


@pytest.mark.parametrize("is_forced", [False, True])
def test_two_outputs_are_two_files(run: Run, folder: Path, is_forced: bool) -> None:
    pairs = [
        (command, one, other) for command, one in OUTPUTS for name, other in OUTPUTS if command == name and one < other
    ]
    assert ("encode", "output", "rejects") in pairs
    for command, one, other in pairs:
        for name in ("same.csv", "./same.csv", str(folder / "same.csv")):
            words = command_line(command, COMMANDS[command] | {one: "same.csv", other: name}, is_forced=is_forced)
            message = require_refused(run, folder, command, words)
            assert "which this command writes too" in message


def closed(folder: Path, suffix: str) -> Path:
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only to root")
    (folder / "closed").mkdir(mode=0o555)
    return folder / "closed" / f"place{suffix}"


def frozen(folder: Path, suffix: str) -> Path:
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only to root")
    path = folder / f"place{suffix}"
    path.write_text("mine")
    path.chmod(0o444)
    return path


def made_folder(folder: Path, suffix: str) -> Path:
    (folder / f"place{suffix}").mkdir()
    return folder / f"place{suffix}"


def looped(folder: Path, suffix: str) -> Path:
    path = folder / f"place{suffix}"
    path.symlink_to(path)
    return path


def in_proc(folder: Path, suffix: str) -> Path:
    if sys.platform != "linux":
        pytest.skip("needs /proc, where not even root can make a file")
    return Path("/proc") / f"place{suffix}"


PLACES: dict[str, Callable[[Path, str], Path]] = {
    "a folder": made_folder,
    "a missing folder": lambda folder, suffix: folder / "absent" / f"place{suffix}",
    "below a file": lambda folder, suffix: folder / "others.smi" / f"place{suffix}",
    "a device": lambda folder, suffix: Path("/dev/null"),
    "a link to itself": looped,
    "a name too long": lambda folder, suffix: folder / f"{'n' * 300}{suffix}",
    "a read-only folder": closed,
    "a read-only system": in_proc,
    "a read-only file": frozen,
}
"""Paths that cannot be an output, each made in a folder."""


@pytest.mark.parametrize("case", PLACES)
@pytest.mark.parametrize(("command", "key"), FILES)
def test_a_place_that_cannot_take_a_file_is_refused_before_the_work(
    run: Run, folder: Path, command: str, key: str, case: str
) -> None:
    path = PLACES[case](folder, suffix_of(command, key))
    words = command_line(command, COMMANDS[command] | {key: str(path)}, is_forced=True)
    require_refused(run, folder, command, words)


@pytest.mark.parametrize("way", ["itself", "symbolic link"])
@pytest.mark.parametrize(("command", "key"), FILES)
def test_a_file_that_exists_is_not_replaced_unasked(run: Run, folder: Path, command: str, key: str, way: str) -> None:
    path = folder / f"mine{suffix_of(command, key)}"
    path.write_text("mine")
    if way == "symbolic link":
        path = folder / f"link{suffix_of(command, key)}"
        path.symlink_to(f"mine{suffix_of(command, key)}")
    words = command_line(command, COMMANDS[command] | {key: str(path)})
    assert "--force" in require_refused(run, folder, command, words)


@pytest.mark.parametrize(
    "case", ["itself", "hard link", "symbolic link", "around it", "below a file", "a read-only system", "a device"]
)
@pytest.mark.parametrize(("command", "key"), FOLDERS)
def test_a_folder_to_be_made_never_takes_the_place_of_an_input(
    run: Run, folder: Path, command: str, key: str, case: str
) -> None:
    given = AS_FOLDER.get(command, COMMANDS[command])
    source = sources_of(folder, given)[0]
    path = {"itself": source, "around it": folder}.get(case)
    if path is None:
        path = folder / "place"
        if case == "hard link":
            path.hardlink_to(source)
        elif case == "symbolic link":
            path.symlink_to(source)
        else:
            path = PLACES[case](folder, "")
    require_refused(run, folder, command, command_line(command, given | {key: str(path)}, is_forced=True))


def test_a_campaign_does_not_replace_the_folder_of_what_its_specification_names(run: Run, folder: Path) -> None:
    (folder / "spec.toml").write_text('maximize = ["qed"]\nbudget = 5\nstart = ["run/start.smi"]\n')
    (folder / "run" / "start.smi").write_text("CCO\n")
    words = ["campaign", "spec.toml", "--out", "run", "--checkpoint", "tiny.safetensors", "--force"]
    require_refused(run, folder, "campaign", words)


def test_a_report_beside_the_output_is_not_what_is_read(run: Run, folder: Path) -> None:
    shutil.copy("molecules.csv", "mine.report.csv")
    words = ["curate", "mine.report.csv", "-o", "mine.csv", "--force"]
    assert "mine.report.csv: is read" in require_refused(run, folder, "curate", words)


def test_the_card_beside_a_fitted_checkpoint_is_not_what_is_read_nor_replaced_unasked(run: Run, folder: Path) -> None:
    words = ["fit", "molecules.csv", "--property", "y", "--checkpoint", "tiny.safetensors", "-o"]
    (folder / "mine.json").write_text("mine")
    assert "mine.json: exists already" in require_refused(run, folder, "fit", [*words, "mine.safetensors"])
    (folder / "link.json").symlink_to("tiny.json")
    message = require_refused(run, folder, "fit", [*words, "link.safetensors", "--force"])
    assert "link.json: is read by this command" in message


def test_a_shipped_file_is_never_replaced() -> None:
    for path in (find_shipped("data") / "d3_ki.csv", find_shipped("checkpoints") / "default.safetensors"):
        with pytest.raises(FileError, match="molgen ships"):
            require_no_input(path, [])
    require_no_input(find_shipped("data") / "new.csv", [])


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_a_new_file_has_the_mode_that_the_umask_leaves(run: Run, folder: Path, umask: int) -> None:
    words = command_line("encode", COMMANDS["encode"] | {"output": "z.csv", "rejects": "rejects.csv"})
    sampled = command_line("sample", COMMANDS["sample"] | {"output": "s.smi"})
    before = os.umask(umask)
    try:
        assert run(words)[0] == 0
        assert run(sampled)[0] in (0, 3)
    finally:
        os.umask(before)
    for name in ("z.csv", "rejects.csv", "s.smi"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o666 & ~umask, name


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_replaced_file_keeps_its_own_mode(run: Run, folder: Path, mode: int) -> None:
    for name in ("z.csv", "rejects.csv"):
        (folder / name).write_text("old")
        (folder / name).chmod(mode)
    given = COMMANDS["encode"] | {"output": "z.csv", "rejects": "rejects.csv"}
    assert run(command_line("encode", given, is_forced=True))[0] == 0
    for name in ("z.csv", "rejects.csv"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == mode
        assert (folder / name).read_text() != "old"


def test_a_file_on_its_way_is_open_to_nobody_else_than_the_one_it_replaces(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("old")
    secret.chmod(0o600)
    with replace_file(secret) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600


def test_a_link_stays_a_link_to_what_was_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near.csv").symlink_to(tmp_path / "far" / "real.csv")
    for text in ("new", "newer"):
        write_text(tmp_path / "near.csv", text)
        assert (tmp_path / "near.csv").is_symlink()
        assert (tmp_path / "far" / "real.csv").read_text() == text
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["far", "near.csv", "real.csv"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("n" * 251 + ".csv"), "text")
    write_text(tmp_path / ("µ" * 125 + ".csv"), "text")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("error", [FileError("a.csv", "is damaged"), KeyboardInterrupt()])
def test_a_list_of_rejections_replaces_the_old_one_whole_also_where_reading_fails(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "rejects.csv"
    path.write_text("old")
    with pytest.raises(type(error)), write_rejections(path):
        raise error
    assert path.read_text() == "line,text,reason\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_resumed_training_goes_on_with_its_list_of_rejections(run: Run, folder: Path) -> None:
    words = [
        "train",
        "molecules.csv",
        "--out",
        "new",
        "--rejects",
        "rejects.csv",
        "--epochs",
        "1",
        "--latent-size",
        "4",
    ]
    words += ["--encoder-size", "6", "--decoder-size", "8"]
    assert run(words)[0] == 0
    (folder / "new" / "data.npz").unlink()  # as if it had been killed while it read the file
    assert run([*words, "--resume"])[0] == 0


def writing_calls(file: Path) -> Iterator[tuple[int, str]]:
    """Calls in a module that write a file by a way of their own: line, and what is written to."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            receiver = ast.unparse(node.func.value)
            modes = [arg.value for arg in chain(node.args[:1], (k.value for k in node.keywords if k.arg == "mode"))
                     if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]  # fmt: skip
            is_opened = node.func.attr == "open" and any(mode[:1] in "wx" and len(mode) <= 3 for mode in modes)
            if is_opened or node.func.attr in ("write_text", "write_bytes", "touch"):
                yield node.lineno, receiver


@pytest.mark.parametrize("folder_name", ["molgen", "cli"])
def test_files_are_made_and_replaced_in_one_way(folder_name: str) -> None:
    for file in sorted((ROOT / folder_name).rglob("*.py")):
        for line, receiver in writing_calls(file):
            assert receiver == "temporary", f"{file}, line {line}: writes to {receiver}, not through `replace_file`"
