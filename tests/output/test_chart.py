"""Charts: what they refuse, the table, and figures that are the same bytes each time."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from molgen.errors import SpecError
from molgen.output.chart import Chart, draw_figure, find_scale, require_chart, write_table

SMILES = ("CCO", "c1ccccc1", "CC(=O)O", "CCN")


def chart(n: int = 4, columns: Mapping[str, Sequence[float]] = MappingProxyType({})) -> Chart:
    return Chart(
        title="A map $x^{$",
        subtitle="of four",
        notes=("trustworthiness",),
        axes=("PC 1", "PC 2"),
        points=np.arange(2.0 * n).reshape(n, 2),
        smiles=SMILES,
        names=("a", "", 'b,"c"', "d"),
        columns={name: np.array(values) for name, values in columns.items()},
    )


def test_the_table_holds_places_and_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", chart(columns={"y": [1.5, float("nan"), 3.0, 4.0]}))
    with (tmp_path / "map.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    assert rows[0] == ["smiles", "name", "x", "y", "y"]
    assert rows[2:4] == [["c1ccccc1", "", "2", "3", ""], ["CC(=O)O", 'b,"c"', "4", "5", "3"]]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize(
    "columns",
    [{}, {"$y_{$": [1.0, 2.0, 3.0, float("nan")]}, {"y": [float("nan")] * 4}],
    ids=["none", "some", "no value"],
)
def test_a_chart_is_drawn_to_the_same_bytes_each_time(
    tmp_path: Path, suffix: str, columns: dict[str, list[float]]
) -> None:
    files = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for file in files:
        draw_figure(file, chart(columns=columns))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert 2_000 < files[0].stat().st_size < 300_000


def test_the_scale_leaves_out_the_hundredth_at_each_end() -> None:
    scale = find_scale(np.append(np.arange(101.0), np.nan))
    assert (scale.low, scale.median, scale.high, scale.least, scale.greatest) == (1.0, 50.0, 99.0, 0.0, 100.0)
    assert np.isnan(find_scale(np.array([np.nan])).low)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"points must be \(4, 2\) finite numbers"):
        chart(3)
    with pytest.raises(ValueError, match="must hold 4 values each"):
        chart(columns={"y": [1.0]})
    with pytest.raises(SpecError, match=r"must end in one of \.html, \.png, \.svg, \.csv"):
        require_chart(Path("map.pdf"))
