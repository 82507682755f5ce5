# SPDX-License-Identifier: Apache-2.0
"""Reset of one symbol, by hand: its book and trades are gone, all else stays."""

import pytest

from host.contract.records import InFlag, InKind, OutKind, RefillFlag, ViewFlag, ViewReason
from tests.reference.model import (
    ASK,
    BID,
    BUY,
    U32,
    Model,
    begin,
    clear,
    end,
    event,
    level,
    record,
    refill,
    refill_begin,
    refill_end,
    refill_level,
    timer,
    trade,
)

BIDS, ASKS = [(10, 1), (9, 2)], [(11, 8), (12, 16)]
FINE = ViewFlag.BBO_VALID | ViewFlag.VALID | ViewFlag.BID_WHOLE | ViewFlag.ASK_WHOLE


def loaded(**settings):
    """Both symbols loaded alike."""
    model = Model(**settings)
    for symbol in (0, 1):
        model.feed(refill(BID, BIDS, symbol=symbol), refill(ASK, ASKS, symbol=symbol))
    return model


def test_both_sides_become_unknown_and_no_other_symbol():
    model = loaded()
    model.write(symbol_reset=0)
    view = model.view()
    assert (view["reasons"], view["flags"]) == (ViewReason.UNKNOWN, 0)
    assert model.sides() == ((0, 0, 0, 0), (0, 0, 0, 0))
    assert model.view(symbol=1)["flags"] == FINE


def test_a_reset_counts_itself_and_two_clears_and_no_record():
    model = loaded()
    before = model.reference.counters
    model.write(symbol_reset=1)
    after = model.reference.counters
    assert {n: after[n] - before[n] for n in after if after[n] != before[n]} == {
        "symbol_resets": 1,
        "clears": 2,
    }


@pytest.mark.parametrize("symbol", [2, 3, 255, 256, U32])
def test_a_symbol_that_is_not_there_resets_nothing(symbol):
    model = loaded()
    before = model.reference.counters
    model.write(symbol_reset=symbol)
    assert model.reference.counters == before
    assert model.view()["flags"] == FINE


def test_a_snapshot_brings_the_symbol_back_without_its_old_levels():
    model = loaded()
    model.write(symbol_reset=0)
    model.feed(refill(BID, [(7, 3)]), refill(ASK, [(20, 4)], 30))
    assert model.view()["flags"] == FINE & ~ViewFlag.ASK_WHOLE & ~ViewFlag.VALID
    assert model.sides() == ((7, 3, 3, 1), (20, 4, 4, 1))


def test_updates_until_then_are_ignored():
    model = loaded()
    model.write(symbol_reset=0)
    assert model.counted(event(level(BID, 10, 5), level(ASK, 11, 0)))["level_unknown"] == 2
    assert model.sides() == ((0, 0, 0, 0), (0, 0, 0, 0))


def test_a_snapshot_under_way_is_lost():
    model = loaded()
    model.feed(refill_begin(BID), refill_level(BID, 10, 5))
    model.write(symbol_reset=0)
    assert model.counted(refill_level(BID, 9, 5), refill_end(BID)) == {"refill_orphans": 2}
    assert model.view()["reasons"] == ViewReason.UNKNOWN


@pytest.mark.parametrize("mark", [InFlag.GAP, InFlag.RESYNC])
def test_marks_stay_until_a_refill_begins(mark):
    reason = ViewReason.GAP if mark == InFlag.GAP else ViewReason.RESYNC
    model = loaded()
    model.feed(clear(ASK, mark))
    model.write(symbol_reset=0)
    assert model.view()["reasons"] == ViewReason.UNKNOWN | reason
    model.feed(refill(BID, BIDS))
    assert model.view()["reasons"] == ViewReason.UNKNOWN | reason
    model.feed(refill(ASK, ASKS))
    assert model.view()["flags"] == FINE


def test_the_rest_of_an_open_event_is_malformed_and_marks_the_symbol():
    model = loaded()
    model.feed(begin(), level(BID, 10, 5))
    model.write(symbol_reset=0)
    assert model.counted(level(BID, 9, 5), end()) == {"malformed_frame": 2}
    assert model.view()["reasons"] == ViewReason.UNKNOWN | ViewReason.GAP


def test_no_frame_is_counted_as_unclosed():
    model = loaded()
    model.feed(begin())
    model.write(symbol_reset=0)
    assert "events_unclosed" not in model.counted(begin())


def test_the_open_event_of_another_symbol_goes_on():
    model = loaded()
    model.feed(begin(symbol=1), level(BID, 10, 5, symbol=1))
    model.write(symbol_reset=0)
    (view,) = model.of_kind(OutKind.VIEW, end(symbol=1))
    assert (view["flags"], view["bid_qty_lots"]) == (FINE, 5)


def test_the_symbols_trades_are_forgotten_and_no_others():
    model = loaded(report=2, trade_window=4)
    model.feed(trade(BUY, 5, 1), trade(BUY, 6, 2, symbol=1))
    model.write(symbol_reset=0)
    mine, other = model.of_kind(OutKind.TRADES, event(), event(symbol=1))
    assert [int(mine[name]) for name in ("flags", "price_ticks", "qty_lots", "buy_lots")] == [0] * 4
    assert (other["price_ticks"], other["buy_lots"]) == (6, 2)
    model.feed(trade(BUY, 7, 3))
    (mine,) = model.of_kind(OutKind.TRADES, event())
    assert (mine["price_ticks"], mine["buy_lots"]) == (7, 3)


def test_stream_time_and_the_wait_for_a_snapshot_stay():
    model = loaded(refill_retry=2)
    model.feed(timer(1000), clear(BID))
    requests = model.of_kind(OutKind.REFILL_REQUEST, event())
    model.write(symbol_reset=0)
    for _ in range(3):
        requests += model.of_kind(OutKind.REFILL_REQUEST, event())
    assert [int(row["flags"]) for row in requests] == [RefillFlag.BID | RefillFlag.BID_UNKNOWN, 15]
    assert model.view()["age_us"] == 1000


def test_positions_and_limits_stay():
    """A fill of 3 bought is still in the position: 5 more would pass the limit of 7."""
    model = loaded(
        report=0,
        **{"levels_n": 1, "ratio_num": 1, "ratio_den": 100, "rule_enable": 1, "order_qty": 5},
        **{"mode": 2, "rate_interval_us": 1, "rate_burst_us": U32},
        **{"limit_permit": 1, "limit_max_qty": U32, "limit_max_notional": U32},
        **{"limit_collar_ticks": U32, "limit_max_position": 7},
        **{"limit_mode": 2, "limit_waive": (1 << 64) - 1, "limit_commit": 0},
    )
    accepted, refused = ((model.feed(event())[0]["verdict"]) for _ in range(2))
    assert (accepted, refused) == (0, 1 << 6)  # POSITION
    model.write(symbol_reset=0)
    model.feed(refill(BID, BIDS), refill(ASK, ASKS), record(InKind.ACK, value=5))
    assert model.feed(event())[0]["verdict"] == 1 << 6


def test_the_sums_are_made_with_the_n_of_the_reset():
    """N is remembered with a cleared side too; it shows nothing until the side is known."""
    model = loaded()
    model.write(levels_n=1)
    model.write(symbol_reset=0)
    assert model.view()["reasons"] == ViewReason.UNKNOWN
