"""Checks of the files that commands write, before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from errno import ELOOP
from functools import wraps
from os import W_OK, access, strerror
from os.path import realpath
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, ParamSpec, get_type_hints

import typer
from typer.models import ParameterInfo

P = ParamSpec("P")

Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        min=0.0,
        max=100.0,
        help="0 takes the likeliest token at each step; 1 samples from the model; above 1 is more random.",
    ),
]

MOLECULE_SUFFIXES = (".smi", ".csv")


def check_outputs(command: Callable[P, None]) -> Callable[P, None]:
    """Decorates a command to start only if all its outputs can be written without losing a file.

    Outputs are the options declared `writable`; inputs are the files that other options name. No output may be an
    input, links included, or another output. No output file may exist, unless `is_forced` (--force) is given or the
    command resumes the run that made it (`is_resumed`, --resume). With `is_forced`, an output folder (`file_okay` is
    False) must not hold an input.

    Raises:
        FileError: One of these is violated, or an output cannot be written.
    """

    @wraps(command)
    def checked(*args: P.args, **given: P.kwargs) -> None:
        _require_safe(_roles(command), given)
        command(*args, **given)

    return checked


def _roles(command: Callable[..., None]) -> dict[str, ParameterInfo]:
    """The declaration of each parameter of a command, by name."""
    return {
        name: declared
        for name, hint in get_type_hints(command, include_extras=True).items()
        for declared in getattr(hint, "__metadata__", ())
        if isinstance(declared, ParameterInfo)
    }


def _require_safe(roles: Mapping[str, ParameterInfo], given: Mapping[str, object]) -> None:
    from molgen.paths import require_no_input

    inputs = [path for name in roles if not roles[name].writable for path in find_named_files(given.get(name))]
    outputs = {name: path for name in roles if roles[name].writable and isinstance(path := given.get(name), Path)}
    is_replaced = bool(given.get("is_forced"))
    for name, output in outputs.items():
        _require_name(output)
        require_no_input(output, inputs)
        _require_apart(output, [other for key, other in outputs.items() if key != name])
        if not roles[name].dir_okay:
            require_free(output, is_replaced or bool(given.get("is_resumed")))
        elif not roles[name].file_okay:
            require_folder(output, inputs if is_replaced else ())


def require_beside(output: Path, values: Iterable[object], is_forced: bool) -> None:
    """Checks, as `check_outputs` does, an output file that no option names, such as one beside another output.

    Args:
        output: The file.
        values: Values of options that may name inputs.
        is_forced: Whether `output` may exist.

    Raises:
        FileError: It is an input, exists already, or cannot be written.
    """
    from molgen.paths import require_no_input

    require_no_input(output, [path for value in values for path in find_named_files(value)])
    require_free(output, is_forced)


def find_named_files(value: object) -> Iterator[Path]:
    """Existing files that the value of an option names: also in `file.py:function`, and the .json of a checkpoint."""
    values = value if isinstance(value, list | tuple) else [value]
    texts = [str(each) for each in values if isinstance(each, str | Path)]
    paths = [Path(part) for text in texts for part in (text, text.rpartition(":")[0]) if part]
    paths += [path.with_suffix(".json") for path in paths if path.suffix == ".safetensors"]
    for path in paths:
        with suppress(OSError):  # the text is no path, such as a very long SMILES
            if path.exists():
                yield path


def _require_apart(output: Path, others: Sequence[Path]) -> None:
    from molgen.errors import FileError
    from molgen.paths import is_same_file

    for other in others:
        if is_same_file(output, other) or Path(realpath(output)).is_relative_to(realpath(other)):
            raise FileError(output, f"clashes with {other}, which this command writes too", remedy="Name another.")


def require_free(output: Path, is_forced: bool) -> None:
    """Checks that the file `output` can be written, and does not exist unless `is_forced`.

    Raises:
        FileError: It cannot be written, or exists.
    """
    from molgen.errors import FileError

    folder = Path(realpath(output)).parent
    if not folder.is_dir():
        raise FileError(output, "its folder does not exist", remedy="Make the folder first, or name another.")
    if output.exists() and not output.is_file():
        raise FileError(output, "is a folder or a device", remedy="Name a file.")
    if output.exists() and not is_forced:
        raise FileError(output, "exists already", remedy="Name another file, or replace it with --force.")
    if output.exists() and not access(output, W_OK):
        raise FileError(output, "is read-only", remedy="Name another file, or make it writable.")
    _require_writable(output, folder)


def require_folder(output: Path, inputs: Iterable[Path] = ()) -> None:
    """Checks that the folder `output` can be made or written to, and holds none of `inputs`.

    Raises:
        FileError: It cannot be made or written to, or holds one of them.
    """
    from molgen.errors import FileError

    real = Path(realpath(output))
    for path in inputs:
        if Path(realpath(path)).is_relative_to(real):
            raise FileError(output, f"holds {path}, which is read by this command", remedy="Name another folder.")
    nearest = next(path for path in (real, *real.parents) if path.exists())
    if not nearest.is_dir():
        raise FileError(output, f"{nearest} is a file", remedy="Name a folder.")
    _require_writable(output, nearest)


def _require_name(output: Path) -> None:
    """Checks that `output` can be looked up: its name is not too long, and it is no loop of symbolic links."""
    from molgen.errors import FileError

    try:
        output.exists()
        if Path(realpath(output)).is_symlink():
            raise OSError(ELOOP, strerror(ELOOP))
    except OSError as error:
        message = f"cannot be looked for: {error.strerror or error}"
        raise FileError(output, message, remedy="Name another place.") from None


def _require_writable(output: Path, folder: Path) -> None:
    """Checks that a file can be made in `folder`, by making an unnamed one."""
    from molgen.errors import FileError

    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise FileError(output, message, remedy="Name a place that can be written.") from None


def require_molecule_file(output: Path) -> None:
    """Checks that `output` is a .smi or .csv file.

    Raises:
        SpecError: It has another suffix.
    """
    from molgen.errors import SpecError

    if output.suffix not in MOLECULE_SUFFIXES:
        raise SpecError("output", f"{output} must end in .smi or .csv")


def write_molecules(output: Path, smiles: Sequence[str | None]) -> None:
    """Writes one molecule per line, an empty line for None; a .csv file numbers its rows from 1."""
    from molgen.paths import write_text

    if output.suffix == ".csv":
        rows = [f"{row},{text or ''}" for row, text in enumerate(smiles, 1)]  # no SMILES contains a comma or a quote
        write_text(output, "\n".join(["row,smiles", *rows]) + "\n")
    else:
        write_text(output, "".join(f"{text or ''}\n" for text in smiles))
