# SPDX-License-Identifier: Apache-2.0
"""cocotb test of the default build on the bundled recording."""

from pathlib import Path

import cocotb

from hdl.config import BuildConfig
from host.feeds.capture import read_frames
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from tests.cocotb.tb import TB, decisions_of

CONFIG = BuildConfig()
CAPTURE = Path(__file__).parents[2] / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
RECORDS = 15_000
SYMBOL = 5

TESTS = ("recorded_market_data_equals_the_reference",)

SETTINGS = [
    ("report", 1),
    ("levels_n", 5),
    ("ratio_num", 3),
    ("ratio_den", 1),
    ("rule_enable", 3),
    ("order_qty", 10),
    ("refill_level", 16),
    ("refill_retry", 4),
    ("mode", 2),
    ("rate_interval_us", 100_000),
    ("rate_burst_us", 400_000),
    ("stale_us", 1_000_000),
    ("limit_permit", 1),
    ("limit_mode", 2),
    ("limit_waive", (1 << 64) - 1),
    ("limit_max_qty", 10),
    ("limit_max_notional", 1 << 40),
    ("limit_collar_ticks", 50),
    ("limit_max_position", 200),
    ("limit_commit", SYMBOL),
]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def recorded_market_data_equals_the_reference(dut):
    session = FeedSession([Instrument("BTCUSDT", SYMBOL)])
    for frame in read_frames([CAPTURE]):
        session.feed(frame)
        if len(session) >= RECORDS:
            break
    records = session.take()[:RECORDS]
    tb = await TB.start(dut, CONFIG, seed=8, source_pauses="random", sink_pauses="random")
    await tb.configure(SETTINGS)
    out = await tb.run(records)
    await tb.check()
    counts = tb.reference.counters
    assert len(records) == RECORDS
    assert counts["events_valid"] > 100
    assert counts["orders"] > 0
    assert counts["refusals"] > 0
    await tb.check_latency(out)
    assert len(decisions_of(out)) == counts["intents"]
    assert tb.watch.waiting_out > 20
