"""`metrics.csv`: one line per validation of a training, the step first."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from molgen.paths import write_text

NAME = "metrics.csv"


class TrainingLog:
    """Appends lines to a file, which is made with the first one."""

    def __init__(self, path: Path) -> None:
        """The metrics at `path`, old lines included."""
        self.path = path

    def append(self, row: Mapping[str, object]) -> None:
        """Adds a line, synced to disk. All rows have the same columns."""
        is_new = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, row.keys(), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
            handle.flush()
            os.fsync(handle.fileno())

    def cut_after(self, step: int) -> None:
        """Removes lines of later steps, and a line that a crash cut off."""
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8", errors="replace")
        header, *lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")] or [""]
        kept = [line for line in lines if _step(line) <= step]
        if kept:
            write_text(self.path, header + "".join(kept))
        else:
            self.path.unlink()


def _step(line: str) -> float:
    number = line.partition(",")[0]
    return int(number) if number.isdecimal() else float("inf")
