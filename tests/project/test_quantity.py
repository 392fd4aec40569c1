import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.project.quantity import Quantity, in_molar, parse_quantity, uses_decimal_comma


@pytest.mark.parametrize(
    ("text", "has_decimal_comma", "wanted"),
    [
        ("12.5", False, Quantity(12.5)),
        ("12,5 nM", True, Quantity(12.5, "=", "nM")),
        ("1.250,75", True, Quantity(1250.75)),
        ("1,200.5", False, Quantity(1200.5)),
        (">10000", False, Quantity(10000.0, ">")),
        ("≥ 50 µM", False, Quantity(50.0, ">", "uM")),
        ("<= 0.5", False, Quantity(0.5, "<")),
        ("ca. 3", False, Quantity(3.0, "~")),
        ("1.2e-7 M", False, Quantity(1.2e-7, "=", "M")),
        ("8.1 ± 0.2", False, Quantity(8.1)),
        ("3 mg/mL", False, Quantity(3.0, "=", "g/L")),
        ("-3.4", False, Quantity(-3.4)),
        ("'7.5'", False, Quantity(7.5)),
    ],
)
def test_measurements_read_as_a_chemist_reads_them(text: str, has_decimal_comma: bool, wanted: Quantity) -> None:
    assert parse_quantity(text, has_decimal_comma=has_decimal_comma) == wanted


@pytest.mark.parametrize("text", ["", "  ", "NaN", "n/a", "-"])
def test_missing_is_no_number_and_no_mistake(text: str) -> None:
    assert parse_quantity(text) is None


@pytest.mark.parametrize("text", ["inactive", "10-20", "n.d.", "5 bananas", "1.2.3.", "1e999", "--5"])
def test_what_is_no_measurement_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|unit"):
        parse_quantity(text)


@given(st.text(max_size=80), st.booleans())
def test_any_text_is_a_finite_number_missing_or_refused(text: str, has_decimal_comma: bool) -> None:
    try:
        quantity = parse_quantity(text, has_decimal_comma=has_decimal_comma)
    except ValueError:
        return
    assert quantity is None or math.isfinite(quantity.value)


@given(st.floats(-1e12, 1e12), st.sampled_from("<>~="), st.sampled_from(["nM", "mg/L", ""]))
def test_what_is_written_is_read(value: float, relation: str, unit: str) -> None:
    quantity = parse_quantity(f"{relation}{value!r} {unit}")
    assert quantity == Quantity(value, relation, unit)  # type: ignore[arg-type]


def test_commas_are_decimal_where_they_cannot_be_anything_else() -> None:
    assert uses_decimal_comma(["1,5", "2,25"], ",")
    assert uses_decimal_comma(["1,200"], ";")
    assert not uses_decimal_comma(["1,200", "13,000"], ",")
    assert not uses_decimal_comma(["1,200.5", "3"], ";")
    assert uses_decimal_comma(["1.200,5"], "\t")
    assert not uses_decimal_comma(["12", "1.5"], ";")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_last_sign_of_one_number_tells_what_the_commas_of_others_are(delimiter: str) -> None:
    assert not uses_decimal_comma(["1,200", "1,200.5"], delimiter)
    assert uses_decimal_comma(["1,200", "1.200,5"], delimiter)


@pytest.mark.parametrize("has_decimal_comma", [True, False])
def test_a_number_with_both_signs_reads_alike_whatever_the_column_holds(has_decimal_comma: bool) -> None:
    assert parse_quantity("1,200.5", has_decimal_comma=has_decimal_comma) == Quantity(1200.5)
    assert parse_quantity("1.200,5", has_decimal_comma=has_decimal_comma) == Quantity(1200.5)
    assert parse_quantity("1.5,", has_decimal_comma=has_decimal_comma) == Quantity(1.5)


@given(
    st.lists(st.integers(-(10**9), 10**9), max_size=5),
    st.integers(10**4, 10**9),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(",;\t"),
)
def test_thousands_and_decimals_of_both_locales_are_read(
    some: list[int], large: int, n_decimals: int, has_decimal_comma: bool, delimiter: str
) -> None:
    values = [number / 10**n_decimals for number in [*some, large * 10**n_decimals]]
    texts = [f"{value:,.{n_decimals}f}" for value in values]
    if has_decimal_comma:
        texts = [text.translate({ord(","): ".", ord("."): ","}) for text in texts]
    found = uses_decimal_comma(texts, delimiter)
    assert found == has_decimal_comma
    assert [parse_quantity(text, has_decimal_comma=found) for text in texts] == [Quantity(value) for value in values]


def test_a_mass_becomes_a_concentration_by_the_weight() -> None:
    assert in_molar(Quantity(180.16, ">", "mg/L"), 180.16) == Quantity(0.001, ">", "M")
    assert in_molar(Quantity(5.0, "=", "uM"), 1.0).value == pytest.approx(5e-6)
    with pytest.raises(ValueError, match="no concentration"):
        in_molar(Quantity(5.0, "=", "%"), 180.0)
