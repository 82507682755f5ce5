# SPDX-License-Identifier: Apache-2.0
"""Real captures as native records and as SBE frames: the same answers, record for record."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.records import OutKind
from host.feeds.capture import read_frames
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from sim.board import Board
from sim.compare import compare
from tests.system.sbe_frames import as_frames
from tests.unit.fabric import OPEN
from tests.unit.sbe_tap import settings

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = [ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"]
#: One symbol and few levels: refills inside events are then frequent.
CONFIG = BuildConfig(symbols=1, levels=16, sbe=True)
EXPONENT = -8


def records_of(files, name, tick, lot):
    feed_settings = FeedSettings(symbols=1, levels=CONFIG.levels)
    session = FeedSession([Instrument(name, 0, tick, lot)], feed_settings)
    for captured in read_frames(files):
        session.feed(captured)
    return session.take()


def answers(board, records, scale):
    board.reset()
    for name, value in (*OPEN, ("levels_n", 5), ("report", 3), *settings(0, *scale)):
        board.write(name, value)
    return board.transfer(records)


def assert_same(files, name, tick, lot):
    records = records_of(files, name, Decimal(tick), Decimal(lot))
    # What one tick and one lot are in mantissas of 10^-8.
    price, qty = (int(Decimal(step).scaleb(-EXPONENT)) for step in (tick, lot))
    scale = (price, EXPONENT), (qty, EXPONENT)
    beats = as_frames(records, price, qty, exponents=(EXPONENT, EXPONENT))
    with Board(CONFIG) as board:
        native = answers(board, records, scale)
        framed = answers(board, np.frombuffer(beats, np.uint8).reshape(-1, 16), scale)
        counted = {name: board.read(name) for name in ("sbe_diffs", "sbe_trades", "sbe_messages")}
    comparison = compare(native, framed)
    assert comparison.equal, str(comparison)
    assert counted["sbe_diffs"] + counted["sbe_trades"] == counted["sbe_messages"]
    assert counted["sbe_diffs"] == len(native[native[:, 0] == OutKind.VIEW]) > 100
    assert (native[:, 0] == OutKind.DECISION).any()
    return counted


def test_the_bundled_minute_gives_the_same_answers_as_frames():
    counted = assert_same(BUNDLED, "BTCUSDT", "0.1", "0.001")
    assert counted["sbe_trades"] > 100


@pytest.mark.captures
@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "name", "tick", "lot"),
    [
        (["usdm_btcusdt_20240808.gz"], "BTCUSDT", "0.1", "0.001"),
        (
            ["spot_ethusdt_20240808.gz", "spot_ethusdt_20240809.gz"],
            *("ETHUSDT", "0.01", "0.00000001"),
        ),
        (
            ["cm_btcusd_perp_20240808.gz", "cm_btcusd_perp_20240809.gz"],
            *("BTCUSD_PERP", "0.1", "1"),
        ),
    ],
)
def test_a_whole_capture_gives_the_same_answers_as_frames(captures, files, name, tick, lot):
    assert_same([captures / "binance" / file for file in files], name, tick, lot)
