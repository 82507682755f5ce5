# SPDX-License-Identifier: Apache-2.0
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.feeds.scale import (
    BadNumber,
    Negative,
    OffGrid,
    Scale,
    TooLarge,
    Zero,
    infer_lot,
    infer_tick,
    lot_scale,
    tick_scale,
)

STEPS = ["0.1", "0.10", "0.5", "0.05", "1", "10", "25", "2.5", "0.00000001", "0.00000025", "1E+2"]


@given(st.sampled_from(STEPS), st.integers(0, 2**64), st.integers(0, 4))
def test_every_multiple_of_the_step_converts_exactly_whatever_its_zeros(step, units, zeros):
    scale = Scale(Decimal(step), name="qty", limit=2**65)
    text = f"{units * Decimal(step):f}"
    if zeros:
        text += ("" if "." in text else ".") + "0" * zeros
    assert scale.units(text) == units
    assert scale.units("000" + text) == units


@given(st.sampled_from(STEPS), st.integers(0, 2**64))
def test_text_is_the_decimal_product_and_converts_back(step, units):
    scale = Scale(Decimal(step), name="qty", limit=2**65)
    text = scale.text(units)
    assert Decimal(text) == units * Decimal(step)
    assert scale.units(text) == units


@given(
    st.sampled_from(STEPS),
    st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=9).map(lambda d: f"{d:f}"),
)
def test_a_decimal_converts_exactly_or_is_refused_as_off_grid(step, text):
    scale = Scale(Decimal(step), name="price", limit=2**80)
    quotient, rest = divmod(Decimal(text), Decimal(step))
    if rest:
        with pytest.raises(OffGrid):
            scale.units(text)
    else:
        assert scale.units(text) == quotient


@pytest.mark.parametrize(("step", "text"), [("0.1", "1.05"), ("0.5", "0.7"), ("10", "15")])
def test_off_grid_names_the_text_and_the_step(step, text):
    with pytest.raises(OffGrid, match="expected a multiple of the step") as caught:
        tick_scale(Decimal(step)).units(text)
    assert (caught.value.text, caught.value.step) == (text, Decimal(step))
    assert caught.value.reason == "price_off_grid"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".5", "1e5", "1E-8", "NaN", "nan", "inf", "+1", " 1", "1 ", "1_0", "0x10"]
    + ["1.2.3", "1,5", "\u0661", "\u00b2", "--1", "1.-5", "1\n", None, 1, 1.5, b"1"],
)
@pytest.mark.parametrize("step", ["0.1", "0.5", "1"])
def test_what_is_not_plain_digits_is_a_bad_number(step, text):
    with pytest.raises(BadNumber) as caught:
        tick_scale(Decimal(step)).units(text)
    assert caught.value.reason == "bad_number"


def test_junk_behind_the_last_place_is_a_bad_number_not_off_grid():
    with pytest.raises(BadNumber):
        tick_scale(Decimal("0.1")).units("1.0e5")


def test_a_negative_number_is_named_so():
    with pytest.raises(Negative):
        lot_scale(Decimal("0.1")).units("-1.0")


def test_a_price_of_zero_is_refused_and_a_quantity_of_zero_is_not():
    with pytest.raises(Zero) as caught:
        tick_scale(Decimal("0.01")).units("0.00")
    assert caught.value.reason == "bad_number"
    assert lot_scale(Decimal("0.01")).units("0.00") == 0


def test_prices_end_below_32_bits_and_quantities_below_the_bits_given():
    assert tick_scale(Decimal("0.1")).units("429496729.5") == 2**32 - 1
    with pytest.raises(TooLarge) as caught:
        tick_scale(Decimal("0.1")).units("429496729.6")
    assert caught.value.reason == "price_too_large"
    assert lot_scale(Decimal(1), 8).units("255") == 255
    with pytest.raises(TooLarge) as caught:
        lot_scale(Decimal(1), 8).units("256")
    assert caught.value.reason == "qty_too_large"


def test_thousands_of_digits_are_too_large_or_leading_zeros():
    scale = tick_scale(Decimal("0.1"))
    with pytest.raises(TooLarge):
        scale.units("9" * 10_000)
    assert scale.units("0" * 10_000 + "1") == 10


def test_lookups_give_what_conversion_gives_also_when_the_cache_has_overflowed():
    scale = tick_scale(Decimal("0.1"))
    for n in range(1, 150_000):
        assert scale.by_text[f"{n // 10}.{n % 10}"] == n
    assert len(scale.by_text) < 100_000
    with pytest.raises(OffGrid):
        scale.by_text["0.15"]
    with pytest.raises(OffGrid):
        scale.by_text["0.15"]


@pytest.mark.parametrize("step", ["0", "-1", "NaN", "Infinity", "junk"])
def test_a_step_that_is_no_positive_decimal_is_refused(step):
    with pytest.raises(ValueError, match="expected a"):
        Scale(step, name="price", limit=10)


def test_units_below_zero_have_no_text():
    with pytest.raises(ValueError, match="at least 0, was -1"):
        lot_scale(Decimal(1)).text(-1)


def test_the_tick_is_the_finest_place_used_and_the_lot_the_finest_place_printed():
    assert infer_tick(["61800.20", "61800.00", "5"]) == Decimal("0.1")
    assert infer_tick(["2683.80000000", "2683.78000000"]) == Decimal("0.01")
    assert infer_tick(["100", "200.00"]) == Decimal(1)
    assert infer_lot(["3.02920000", "1.00000000"]) == Decimal("1E-8")
    assert infer_lot(["35", "1000"]) == Decimal(1)
    with pytest.raises(BadNumber):
        infer_tick(["1.0", "1e5"])
    with pytest.raises(BadNumber):
        infer_lot(["-1.0"])
