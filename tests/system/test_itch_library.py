# SPDX-License-Identifier: Apache-2.0
"""Every level the ITCH feed tells, against an independent library's books after every message.

A quick share; `tests.system.soak` takes a million messages.
"""

import pytest

from tests.system.itch_library import SameBooks, flow_of, moved

_CAPTURE = "itch/ex20101224.TEST_ITCH_50"
_SYMBOLS = {1: 0, 2: 5, 3: 15}
_BYTES = {
    **{"S": 12, "R": 39, "H": 25, "P": 44, "A": 36, "F": 40, "E": 31},
    **{"C": 36, "X": 23, "D": 19, "U": 35},
}


def test_generated_flow_gives_the_books_of_an_independent_library():
    books = SameBooks("small", _SYMBOLS)
    for part in flow_of(30_000, 3, 10_000):
        books.take(part)
    counters, stats = books.counters(), books.stats
    assert books.compared > 0.8 * books.messages > 20_000
    assert counters["itch_unknown"] == stats["missing_ref"] > 0
    assert counters["itch_adds"] == stats["adds"] + stats["replaces"]
    assert counters["itch_breaks"] == 0


@pytest.mark.captures
def test_a_file_of_artificial_messages_gives_the_books_of_an_independent_library(captures):
    octets = (captures / _CAPTURE).read_bytes()
    messages, at = [], 0
    while at < len(octets):
        size = _BYTES[chr(octets[at + 2])]
        messages.append(moved(octets[at + 2 : at + 2 + size]))
        at += 2 + size
    books = SameBooks("large", _SYMBOLS)
    books.take(messages)
    counters, stats = books.counters(), books.stats
    # The library tells of what moves one of the best 50 levels; half of the messages lie deeper.
    assert books.compared > 3000
    assert counters["itch_adds"] == stats["adds"] + stats["replaces"]
    assert counters["itch_messages"] == len(messages)
    assert counters["itch_unknown"] == stats["missing_ref"]
    assert counters["itch_breaks"] == 0
