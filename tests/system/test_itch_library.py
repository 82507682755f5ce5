# SPDX-License-Identifier: Apache-2.0
"""Every level the ITCH feed tells, against an independent library's books after every message."""

import os

import pytest

from sim.stimulus_itch import FlowSettings, Packets, order_flow
from tests.system.itch_library import assert_same_books
from tests.system.itch_tap import Bench

#: Messages of the quick share; ``TICKGATE_SOAK_MESSAGES`` asks for more.
MESSAGES = int(os.environ.get("TICKGATE_SOAK_MESSAGES", "30000"))
_KEEP_UNKNOWN = 1
_CAPTURE = "itch/ex20101224.TEST_ITCH_50"
_BYTES = {
    **{"S": 12, "R": 39, "H": 25, "P": 44, "A": 36, "F": 40, "E": 31},
    **{"C": 36, "X": 23, "D": 19, "U": 35},
}


def same_books(size, messages, symbols):
    """Send messages through the board; its counters and the library's statistics."""
    bench = Bench(size)
    bench.write("policy", _KEEP_UNKNOWN)
    for locate, symbol in symbols.items():
        bench.select(locate, symbol)
    records = bench.check(list(Packets(messages, most=30)))
    compared, stats = assert_same_books(messages, records, symbols)
    return compared, bench.counters(), stats


def test_generated_flow_gives_the_books_of_an_independent_library():
    symbols = {1: 0, 2: 5, 3: 15}
    # Over many messages even a few hundred orders would once fill a row of the small table.
    live = 200 if MESSAGES < 100_000 else 60
    flow = FlowSettings(MESSAGES, live=live, seed=3, unknown_per_mille=20, states=True)
    compared, counters, stats = same_books("small", list(order_flow(flow)), symbols)
    assert compared > 0.9 * MESSAGES
    assert counters["itch_unknown"] == stats["missing_ref"] > 0
    assert counters["itch_adds"] == stats["adds"] + stats["replaces"]
    assert "itch_breaks" not in counters


def _moved(message):
    """The same message with each reference one higher: the library takes no order 0."""

    def up(at):
        return (int.from_bytes(message[at : at + 8], "big") + 1).to_bytes(8, "big")

    kind = chr(message[0])
    if kind not in "AFECXDU":
        return message
    if kind == "U":
        return message[:11] + up(11) + up(19) + message[27:]
    return message[:11] + up(11) + message[19:]


@pytest.mark.captures
def test_a_file_of_artificial_messages_gives_the_books_of_an_independent_library(captures):
    octets = (captures / _CAPTURE).read_bytes()
    messages, at = [], 0
    while at < len(octets):
        size = _BYTES[chr(octets[at + 2])]
        messages.append(_moved(octets[at + 2 : at + 2 + size]))
        at += 2 + size
    compared, counters, stats = same_books("large", messages, {1: 0, 2: 5, 3: 15})
    # The library tells of what moves one of the best 50 levels; half of the messages lie deeper.
    assert compared > 3000
    assert counters["itch_adds"] == stats["adds"] + stats["replaces"]
    assert counters["itch_messages"] == len(messages)
    assert counters["itch_unknown"] == stats["missing_ref"]
    assert "itch_breaks" not in counters
