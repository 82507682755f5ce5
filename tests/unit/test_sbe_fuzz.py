# SPDX-License-Identifier: Apache-2.0
"""A quick share of random bytes into the SBE decoder; `tests.system.soak` has the long one.

The board itself is the watchdog: a core that stops to take beats is an error after 65,536 cycles.
"""

from collections import Counter

from tests.system import fuzz


def test_a_quick_share_of_random_bytes():
    total = sum((fuzz.sbe(100_000, seed, 16, broken=0.3) for seed in range(6)), Counter())
    never = {"sbe_damaged", "sbe_version"}  # a link's frames are whole; the schema's version is 0
    assert {f"sbe_{end}" for end in fuzz.SBE_ENDS if not total[f"sbe_{end}"]} <= never
