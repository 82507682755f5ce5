# SPDX-License-Identifier: Apache-2.0
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.contract.records import IN_DTYPE, Protocol
from host.wire.framing import frame_words
from host.wire.scales import ScaleRange, exponents_of, sbe_writes
from tests.host.wire_frames import depth_bytes, trades_bytes

STEPS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(1, 10**6), st.integers(0, 8)
)


@given(STEPS, STEPS, st.integers(0, (1 << 63) - 1), st.data())
def test_a_board_that_follows_the_registers_divides_exactly(tick, lot, mantissa, data):
    written = dict(sbe_writes(3, tick, lot, (-8, -9)))
    assert written["sbe_enable"] == 1 and written["sbe_commit"] == 3
    for name, step, exponent in (("price", tick, -8), ("qty", lot, -9)):
        assert written[f"sbe_{name}_exponent"] == exponent + 256
        inverse, bound = written[f"sbe_{name}_inverse"], written[f"sbe_{name}_bound"]
        shift = written[f"sbe_{name}_shift"]
        size = int(step * 10**-exponent)
        for number in (mantissa, data.draw(st.integers(0, ((1 << 63) - 1) // size)) * size):
            quotient = number * inverse % (1 << 64)
            exact = quotient <= bound and quotient % (1 << shift) == 0
            assert exact == (number % size == 0)
            if exact:
                assert quotient >> shift == number // size


@pytest.mark.parametrize(
    ("tick", "exponents"),
    [("1e-9", (-8, -8)), ("0.000000015", (-8, -8)), ("1", (1, -8)), ("2e12", (-8, -8))],
)
def test_a_tick_that_is_no_whole_number_of_mantissas_is_refused(tick, exponents):
    with pytest.raises(ScaleRange, match="price: expected a step of 1 to"):
        sbe_writes(0, Decimal(tick), Decimal(1), exponents)


def test_exponents_are_those_of_the_first_frame_of_each_symbol():
    frames = [
        (trades_bytes([]), 2),
        (depth_bytes((), (), exponents=(-2, 3)), 7),
        (depth_bytes((), (), exponents=(-1, -1)), 7),
    ]
    words = [word for frame, symbol in frames for word in frame_words(frame, symbol, Protocol.SBE)]
    beats = np.array(words, "<u8").view(IN_DTYPE)
    assert exponents_of(beats) == {2: (-8, -8), 7: (-2, 3)}
