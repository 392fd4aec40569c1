"""The figure of a front: drawn for campaigns with `--pareto`, the same each time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from molgen.errors import SpecError
from molgen.output.front import draw_front, require_front_file
from molgen.search.ledger import Evaluation


def ledger(hypervolume: float) -> list[Evaluation]:
    points = [(0.9, 0.1), (0.5, 0.5), (0.1, 0.9), (0.2, 0.2)]
    return [
        Evaluation(i, "C" * i, {"qed": a, "sa": 10 * b}, {"qed": a, "sa": b}, a * b, 0.0, hypervolume, "")
        for i, (a, b) in enumerate(points, 1)
    ]


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_front_is_drawn_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        draw_front(tmp_path / f"{name}{suffix}", ledger(0.3))
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert len(content) > 1000
    assert content == (tmp_path / f"b{suffix}").read_bytes()


def test_there_is_none_where_objectives_are_weighed(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no Pareto front"):
        draw_front(tmp_path / "a.svg", ledger(math.nan))
    with pytest.raises(SpecError, match=r"must end in \.svg or \.png"):
        require_front_file(tmp_path / "a.pdf")
