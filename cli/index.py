"""The command `molgen index`, and libraries as other commands open them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from .console import options, show
from .console.outputs import check_outputs
from .console.quality import note_rows

if TYPE_CHECKING:
    from molgen.chem.table import Rejection, Row
    from molgen.explore.index import Index
    from molgen.latent.space import LatentSpace

Library = Annotated[
    Path | None,
    typer.Option("--library", help="The library: an index of `molgen index`, or a file of molecules."),
]


@check_outputs
def index(  # noqa: PLR0913 - one parameter per option
    files: options.MoleculeFiles,
    output: Annotated[
        Path, typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the index: .safetensors.")
    ],
    checkpoint: options.Checkpoint = None,
    fragment: options.Fragment = "largest",
    charge: options.Charge = "keep",
    stereo: options.Stereo = "keep",
    smiles_column: options.SmilesColumn = None,
    rejects: options.Rejects = None,
    executor: options.Executor = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_forced: options.Force = False,
) -> None:
    """Encode a library once, to search it in milliseconds.

    `molgen explore neighbours` and `molgen explore recommend` use the index. It holds the SMILES and names of the
    library, and is bound to its checkpoint.

    Example: molgen index library.smi.gz -o library.safetensors
    """
    from molgen.chem.molecule import Policy
    from molgen.chem.table import Tally, write_rejections
    from molgen.device import resolve_device, use_threads
    from molgen.errors import SpecError
    from molgen.explore.index import SUFFIX
    from molgen.explore.library import build_index
    from molgen.latent.remote import open_workers
    from molgen.latent.space import LatentSpace

    if output.suffix != SUFFIX:
        raise SpecError("output", f"{output} must end in {SUFFIX}")
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    policy = Policy(fragment, charge, stereo)
    with (
        write_rejections(rejects) if rejects else nullcontext() as listing,
        open_workers(executor, checkpoint, threads) as workers,
        _rows(files, smiles_column) as rows,
    ):
        tally = Tally(on_rejection=listing)
        build_index(space, rows, output, tally, policy, workers=workers, on_done=rows.show_done)
    note_rows(", ".join(map(str, files)), tally.kept, tally.read, tally.rejected)
    show.note(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


@contextmanager
def open_library(library: Path, space: LatentSpace, smiles_column: str | None = None) -> Iterator[Index]:
    """The index in a file, or a temporary index of a file of molecules.

    Raises:
        FileError: The file cannot be used, or was made with another checkpoint.
    """
    from molgen.chem.table import Tally
    from molgen.explore.index import SUFFIX, Index
    from molgen.explore.library import build_index

    if library.suffix == SUFFIX:
        found = Index.open(library)
        found.require_checkpoint(library, space.model.digest)
        yield found
        return
    with TemporaryDirectory() as folder:
        path, tally = Path(folder) / f"library{SUFFIX}", Tally()
        with _rows([library], smiles_column) as rows:
            build_index(space, rows, path, tally, on_done=rows.show_done)
        note_rows(library, tally.kept, tally.read, tally.rejected)
        yield Index.open(path)


@contextmanager
def _rows(files: Sequence[Path], smiles_column: str | None) -> Iterator[_Rows]:
    """The rows of files, with a progress bar by the share of the files that is done."""
    with show.progress(len(files), "Encoding") as advance:
        yield _Rows(files, smiles_column, advance)


class _Rows:
    """The rows of files, one file after the other, which may be read long before they are done."""

    def __init__(self, files: Sequence[Path], smiles_column: str | None, advance: show.Advance) -> None:
        self._files = files
        self._smiles_column = smiles_column
        self._advance = advance
        self._n_read = 0
        self._marks: deque[tuple[int, float]] = deque()  # numbers of rows, and the files read with them

    def __iter__(self) -> Iterator[Row | Rejection]:
        from molgen.chem.table import read_rows

        for number, path in enumerate(self._files):
            on_share = partial(self._mark, number)
            for row in read_rows(path, smiles_column=self._smiles_column, on_share=on_share):
                self._n_read += 1
                yield row

    def show_done(self, n_done: int) -> None:
        """Moves the bar to where the last row that is done was read."""
        while self._marks and self._marks[0][0] <= n_done:
            self._advance(self._marks.popleft()[1])

    def _mark(self, number: int, share: float) -> None:
        self._marks.append((self._n_read, number + share))
