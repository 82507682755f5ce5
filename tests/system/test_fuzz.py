# SPDX-License-Identifier: Apache-2.0
"""A quick share of the random bytes that `tests.system.soak` sends into every decoder."""

from hdl.net.registers import DROPS
from host.contract.registers import COUNTERS
from tests.system import fuzz


def test_rough_records_are_the_references_and_every_rule_is_broken():
    counts = fuzz.native(400_000, 1)
    assert counts["frames_refused"] > 50 and counts["sbe_messages"] + counts["mold_runts"] > 20
    for name in COUNTERS:
        assert not name.startswith("malformed_") or counts[name] > 20, name
    assert counts["events"] > 500


def test_rough_frames_are_the_references_and_every_drop_is_seen():
    counts = fuzz.udp(600_000, 1)
    assert counts["packets"] > 500
    assert all(counts[f"drop_{name}"] for name, _ in DROPS)
