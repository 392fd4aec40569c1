"""The specification: options and TOML say the same, and nothing wrong gets through."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from molgen.errors import FileError, SpecError
from molgen.search.spec import SAMPLERS, CampaignSpec, read_spec

TEXT = st.text(max_size=20)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*CampaignSpec.__dataclass_fields__]) | TEXT


def test_what_is_written_as_toml_is_read_back_as_it_was(tmp_path: Path) -> None:
    spec = CampaignSpec(
        maximize=("qed", "smarts:[#6]=O"),
        constraint=('similarity:C"C >= 0.4',),
        start=("CCO",),
        pareto=True,
        budget=77,
        time_limit_s=1.5,
    )
    path = tmp_path / "spec.toml"
    path.write_text(tomlkit.dumps(spec.to_toml()))
    assert CampaignSpec.from_options(read_spec(path)) == spec


@given(st.dictionaries(KEYS, JUNK, max_size=4))
def test_junk_is_refused_by_name_or_taken(options: dict[str, object]) -> None:
    with suppress(SpecError):
        assert CampaignSpec.from_options(options).sampler in SAMPLERS


def test_one_text_stands_for_a_list_of_one() -> None:
    assert CampaignSpec.from_options({"maximize": "qed"}).maximize == ("qed",)


def test_an_unknown_option_is_met_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match="budget"):
        CampaignSpec.from_options({"buget": 3})


@pytest.mark.parametrize(
    ("key", "value"),
    [("budget", 0), ("budget", True), ("budget", 1.5), ("seed", -1), ("time_limit_s", 0.0), ("sampler", "sobol")],
)
def test_values_out_of_range_name_their_option(key: str, value: object) -> None:
    with pytest.raises(SpecError) as caught:
        CampaignSpec.from_options({key: value})
    assert caught.value.key == key


def test_cmaes_cannot_keep_objectives_apart() -> None:
    with pytest.raises(SpecError, match="one objective"):
        CampaignSpec(maximize=("qed", "fsp3"), pareto=True, sampler="cmaes")


@given(st.binary(max_size=200))
def test_any_bytes_are_toml_or_a_file_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("spec") / "spec.toml"
    path.write_bytes(content)
    with suppress(FileError):
        assert isinstance(read_spec(path), dict)


@pytest.mark.parametrize("content", [b"seed = " + b"1" * 5000, b"start = '\xff'", b"[" * 10_000])
def test_what_is_no_toml_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spec.toml"
    path.write_bytes(content)
    with pytest.raises(FileError, match="is not TOML") as caught:
        read_spec(path)
    assert len(str(caught.value)) < 3000


def test_a_device_and_a_huge_file_are_no_specification(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.symlink_to("/dev/zero")
    with pytest.raises(FileError, match="is not a regular file"):
        read_spec(path)
    path.unlink()
    path.touch()
    os.truncate(path, 200 * 10**9)
    with pytest.raises(FileError, match="is larger than"):
        read_spec(path)


def test_a_name_that_toml_cannot_hold_is_refused() -> None:
    name = os.fsdecode(b"caf\xe9.smi")
    for options in ({"start": [name]}, {"checkpoint": name}):
        with pytest.raises(SpecError, match="is not valid UTF-8"):
            CampaignSpec.from_options(options)
