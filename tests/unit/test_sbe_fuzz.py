# SPDX-License-Identifier: Apache-2.0
"""Millions of random and changed bytes into the SBE decoder.

The board itself is the watchdog: a core that stops to take beats is an error after 65,536 cycles.
"""

import pytest

from hdl.config import BuildConfig
from host.contract.records import InKind
from sim.board import Board, Stalls
from sim.reference_wire import WireReference
from tests.unit.sbe_streams import Streams
from tests.unit.sbe_tap import DESIGNS, assert_taps, settings

CONFIG = BuildConfig(symbols=3, levels=3, qty_bits=16, sbe=True)
STALLS = ((0, 0), (200, 300), (0, 600))
#: Messages taken, and messages refused by reason: between them every frame is counted once.
ENDS = (
    *("diffs", "snapshots", "trades", "tickers", "short", "long", "damaged", "schema", "template"),
    *("version", "block", "tag", "exponent", "root", "unsynced", "stale", "gap", "value"),
)


def fuzz(width, chunks, size, broken):
    """Random streams of `size` bytes each; every record and counter is compared."""
    total = {}
    with Board(CONFIG, design=DESIGNS[width], random_init=width) as board:
        for seed in range(chunks):
            board.reset()
            board.set_stalls(Stalls(seed, *STALLS[seed % len(STALLS)]))
            reference = WireReference(CONFIG.symbols, CONFIG.levels, CONFIG.qty_bits)
            for symbol in range(CONFIG.symbols - 1):
                for name, value in settings(symbol):
                    board.write(name, value)
                    reference.write(name, value)
            beats = Streams(1000 * width + seed, CONFIG.symbols, broken=broken).beats(size)
            records = assert_taps(board, reference, beats)
            counts = reference.counters
            assert counts["sbe_messages"] == counts["frames"]
            assert counts["sbe_messages"] == sum(counts[f"sbe_{end}"] for end in ENDS)
            # The symbol without a scale makes no record of its own.
            ticks = records[records["symbol"] == CONFIG.symbols - 1]
            assert not (ticks["kind"] == int(InKind.TRADE)).any()
            assert not ((ticks["kind"] == int(InKind.LEVEL)) & (ticks["price_ticks"] > 0)).any()
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
    return total


def test_a_quick_share_of_random_bytes():
    total = fuzz(16, 6, 100_000, 0.3)
    never = {"sbe_damaged", "sbe_version"}  # a link's frames are whole; the schema's version is 0
    assert {f"sbe_{end}" for end in ENDS if not total[f"sbe_{end}"]} <= never


@pytest.mark.slow
@pytest.mark.parametrize(("width", "chunks"), [(16, 10), (8, 6), (4, 4)])
def test_ten_million_random_bytes_at_each_width(width, chunks):
    """20 chunks of 0.5 million bytes over the widths, half of the messages broken."""
    total = fuzz(width, chunks, 500_000, 0.5)
    assert total["sbe_messages"] > 1000 * chunks
