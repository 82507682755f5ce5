# SPDX-License-Identifier: Apache-2.0
"""The ITCH feed in a simulated board: hand-worked cases, and random flow against the reference."""

from itertools import chain, count, islice

import pytest

from host.contract.records import InFlag, InKind
from sim.board import Stalls
from sim.stimulus_itch import FlowSettings, Packets, order_flow, packet
from tests.system import fuzz
from tests.system.itch_tap import SIZES, Bench
from tests.unit.itch_messages import (
    MICROSECONDS,
    action,
    add,
    cancel,
    delete,
    execute,
    execute_at,
    head,
    replace,
    system,
    trade,
)

BID, ASK = 0, int(InFlag.SIDE)
GAP, BOOK = int(InFlag.GAP), int(InFlag.BOOK)
CLEARS = [(InKind.CLEAR, GAP, 0, 0), (InKind.CLEAR, GAP | ASK, 0, 0)]
EVERY_BUILD = pytest.mark.parametrize("size", ["tiny", "narrow", "wide"])


def level(side, price, shares):
    return (InKind.LEVEL, side, price, shares)


def opened(size="tiny", policy=0, **options):
    """A bench whose locates 1 and 3 are symbols 0 and 2."""
    bench = Bench(size, **options)
    bench.write("policy", policy)
    bench.select(1, 0)
    bench.select(3, 2)
    return bench


class Session:
    """Packets of one message each, and what each of them tells."""

    def __init__(self, bench, trading=True):
        self.bench, self.sequence = bench, 1
        if trading:
            assert self.tell(action("T")) == []

    def tell(self, *messages):
        """Records of the messages, without symbol and tag; EVENT_BEGIN and END are checked."""
        first = self.sequence
        self.sequence += len(messages)
        records = self.bench.check([packet(first, messages)])
        return [(r["kind"], r["flags"], r["price_ticks"], r["value"]) for r in records]

    def one(self, message):
        """What stands between EVENT_BEGIN and EVENT_END of the one event of a message."""
        told = self.tell(message)
        assert told[0] == (InKind.EVENT_BEGIN, 0, 0, MICROSECONDS)
        assert told[-1] == (InKind.EVENT_END, BOOK, 0, self.sequence - 1)
        return told[1:-1]


def test_each_message_tells_the_absolute_shares_at_its_price():
    session = Session(opened())
    assert session.one(add(1, "B", 300, 10_000)) == [level(BID, 10_000, 300)]
    assert session.one(add(2, "B", 200, 10_000, kind="F")) == [level(BID, 10_000, 500)]
    assert session.one(add(3, "S", 50, 10_100)) == [level(ASK, 10_100, 50)]
    assert session.one(execute(1, 100)) == [
        level(BID, 10_000, 400),
        (InKind.TRADE, ASK, 10_000, 100),
    ]
    assert session.one(execute_at(3, 10, 10_050)) == [
        level(ASK, 10_100, 40),
        (InKind.TRADE, BID, 10_050, 10),
    ]
    assert session.one(execute_at(3, 10, 10_050, "N")) == [level(ASK, 10_100, 30)]
    assert session.one(cancel(1, 50)) == [level(BID, 10_000, 350)]
    assert session.one(replace(1, 9, 70, 9_900)) == [
        level(BID, 10_000, 200),
        level(BID, 9_900, 70),
    ]
    assert session.one(replace(9, 10, 80, 9_900)) == [level(BID, 9_900, 0), level(BID, 9_900, 80)]
    assert session.one(delete(2)) == [level(BID, 10_000, 0)]
    assert session.one(execute(3, 30))[0] == level(ASK, 10_100, 0)
    assert session.tell(trade("B", 5, 10_020))[1:] == [
        (InKind.TRADE, ASK, 10_020, 5),
        (InKind.EVENT_END, 0, 0, session.sequence - 1),
    ]


def test_a_reference_of_zero_and_one_of_64_ones_are_orders_like_others():
    session = Session(opened())
    for ref in (0, (1 << 64) - 1):
        assert session.one(add(ref, "S", 7, 4)) == [level(ASK, 4, 7)]
        assert session.one(delete(ref)) == [level(ASK, 4, 0)]


def test_shares_and_prices_of_32_ones_are_exact():
    session, most = Session(opened()), (1 << 32) - 1
    for n in range(3):
        assert session.one(add(n, "B", most, most)) == [level(BID, most, most * (n + 1))]


def test_symbols_that_are_not_selected_tell_nothing_and_are_counted():
    bench = opened()
    session = Session(bench)
    assert session.tell(add(1, "B", 3, 4, locate=2), delete(1, locate=2)) == []
    assert bench.counters()["itch_unselected"] == 2
    bench.select(1, 0, on=False)
    assert session.tell(add(5, "B", 3, 4)) == []
    bench.select(2, 200)  # this build has no such symbol
    assert session.tell(add(6, "B", 3, 4, locate=2)) == []


def test_an_unknown_reference_breaks_its_symbol_alone_until_a_restart():
    bench = opened()
    session = Session(bench)
    session.tell(add(1, "B", 300, 10_000), add(2, "S", 8, 9, locate=3))
    assert session.one(execute(77, 1)) == CLEARS
    assert session.one(add(3, "B", 5, 10_000)) == CLEARS
    assert session.one(execute(1, 100)) == [(InKind.TRADE, ASK, 10_000, 100), *CLEARS]
    assert level(ASK, 9, 6) in session.tell(cancel(2, 2, locate=3))
    bench.restart()
    session = Session(bench)
    assert session.one(add(1, "B", 5, 10_000)) == [level(BID, 10_000, 5)]
    assert bench.counters()["itch_breaks"] == 1


def test_an_unknown_reference_may_be_let_go_by():
    bench = opened(policy=1)
    session = Session(bench)
    assert session.tell(execute(77, 1), cancel(77, 1), delete(77), replace(77, 78, 1, 1)) == []
    assert session.one(add(1, "B", 5, 10_000)) == [level(BID, 10_000, 5)]
    assert bench.counters()["itch_unknown"] == 4


def test_a_price_may_rest_on_both_sides_and_for_several_symbols():
    session = Session(opened())
    assert session.one(add(1, "B", 5, 100)) == [level(BID, 100, 5)]
    assert session.one(add(2, "S", 7, 100)) == [level(ASK, 100, 7)]
    assert session.tell(add(3, "B", 9, 100, locate=3))[1] == level(BID, 100, 9)
    assert session.one(add(4, "B", 1, 100)) == [level(BID, 100, 6)]
    assert session.one(delete(2)) == [level(ASK, 100, 0)]


def test_an_order_is_known_by_its_reference_and_its_symbol():
    session = Session(opened(policy=1))
    session.tell(add(1, "B", 300, 10_000))
    assert session.tell(delete(1, locate=3)) == []
    assert session.one(delete(1)) == [level(BID, 10_000, 0)]


@pytest.mark.parametrize(
    ("message", "counter"),
    [
        (execute(1, 301), "itch_excess"),
        (cancel(1, 301), "itch_excess"),
        (execute(1, 0), "itch_fields"),
        (cancel(1, 0), "itch_fields"),
        (execute_at(1, 5, 0), "itch_fields"),
        (add(5, "b", 1, 1), "itch_fields"),
        (add(5, "S", 0, 1), "itch_fields"),
        (add(5, "S", 1, 0), "itch_fields"),
        (replace(1, 5, 0, 1), "itch_fields"),
        (replace(1, 5, 1, 0), "itch_fields"),
        (add(1, "S", 1, 1), "itch_duplicates"),
    ],
    ids=[
        *("execute_more", "cancel_more", "execute_none", "cancel_none", "print_at_none"),
        *("side", "add_none", "add_at_none", "replace_none", "replace_at_none", "twice"),
    ],
)
def test_a_message_that_cannot_be_true_breaks_its_symbol_and_is_counted(message, counter):
    bench = opened()
    session = Session(bench)
    session.tell(add(1, "B", 300, 10_000))
    assert session.one(message) == CLEARS
    assert bench.counters()[counter] == 1


def test_a_print_that_cannot_be_true_is_counted_and_not_told():
    bench = opened()
    session = Session(bench)
    assert session.tell(trade("x", 1, 1), trade("B", 0, 1), trade("B", 1, 0)) == []
    assert bench.counters()["itch_fields"] == 3
    assert session.one(add(1, "B", 300, 10_000)) == [level(BID, 10_000, 300)]


def test_prints_may_be_hidden():
    assert Session(opened(policy=2)).tell(trade("B", 5, 10_020)) == []


def test_a_replace_onto_a_live_order_takes_the_old_one_and_breaks_the_symbol():
    session = Session(opened())
    session.tell(add(1, "B", 300, 10_000), add(2, "B", 10, 10_000))
    assert session.one(replace(1, 2, 5, 10_000)) == [level(BID, 10_000, 10), *CLEARS]


def test_a_replace_may_keep_its_reference():
    session = Session(opened())
    session.tell(add(1, "B", 300, 10_000))
    assert session.one(replace(1, 1, 5, 9_000)) == [level(BID, 10_000, 0), level(BID, 9_000, 5)]
    assert session.one(cancel(1, 1)) == [level(BID, 9_000, 4)]


def test_events_of_a_symbol_that_does_not_trade_are_not_evaluated():
    bench = opened()
    session = Session(bench, trading=False)
    assert session.tell(add(1, "B", 3, 4))[-1] == (InKind.EVENT_END, 0, 0, 1)
    for state, flags in (("T", BOOK), ("H", 0), ("P", 0), ("Q", 0), ("T", BOOK)):
        told = session.tell(action(state), add(session.sequence + 9, "B", 3, 4))
        assert told[-1][:2] == (InKind.EVENT_END, flags)
    bench.write("policy", 4)
    assert session.tell(action("H"), add(50, "B", 3, 4))[-1][1] == BOOK


def refs_of_one_row(reference, row, n):
    """`n` references that fall into one row of the order table; every second has high bits only."""
    low = (ref for ref in count(1) if reference.order_row(ref) == row)
    high = (ref << 44 for ref in count(1) if reference.order_row(ref << 44) == row)
    return list(islice(chain.from_iterable(zip(high, low, strict=False)), n))


@EVERY_BUILD
def test_orders_of_one_row_are_told_apart_until_it_is_full(size):
    bench = opened(size)
    session, ways = Session(bench), SIZES[size].order_ways
    refs = refs_of_one_row(bench.reference, 5, ways + 2)
    for n, ref in enumerate(refs[:ways]):
        assert session.one(add(ref, "B", 10 + n, 100 + n)) == [level(BID, 100 + n, 10 + n)]
    assert session.one(replace(refs[1], refs[ways], 99, 100)) == [
        level(BID, 101, 0),
        level(BID, 100, 109),
    ]
    for n in (0, 2, 3):
        assert session.one(cancel(refs[n], 1))[0][3] == (108 if n == 0 else 9 + n)
    assert session.one(add(refs[ways + 1], "B", 1, 500)) == CLEARS
    counters = bench.counters()
    assert (counters["itch_order_full"], counters["itch_breaks"]) == (1, 1)
    assert session.tell(add(1 << 40, "S", 2, 3, locate=3))[1] == level(ASK, 3, 2)


def prices_of_one_row(reference, symbol, row, n):
    """`n` prices of a symbol that fall into one row of the table of levels."""
    return [p for p in range(1, 100_000) if reference.level_row(symbol, p) == row][:n]


@EVERY_BUILD
def test_levels_of_one_row_are_told_apart_until_it_is_full(size):
    bench = opened(size)
    session, ways = Session(bench), SIZES[size].level_ways
    prices = prices_of_one_row(bench.reference, 0, 3, ways + 2)
    for n, price in enumerate(prices[: ways - 1]):
        assert session.one(add(n, "B", 10 + n, price)) == [level(BID, price, 10 + n)]
    assert session.one(add(ways, "S", 7, prices[0])) == [level(ASK, prices[0], 7)]
    # the row is full, and the replaced order makes room in it
    assert session.one(replace(1, 50, 4, prices[ways])) == [
        level(BID, prices[1], 0),
        level(BID, prices[ways], 4),
    ]
    assert session.one(add(60, "B", 1, prices[0])) == [level(BID, prices[0], 11)]
    assert session.one(add(61, "B", 1, prices[ways + 1])) == CLEARS
    assert bench.counters()["itch_level_full"] == 1


def test_a_gap_makes_every_mapped_symbol_invalid_at_once():
    bench = opened()
    session = Session(bench)
    session.tell(add(1, "B", 300, 10_000))
    session.sequence += 1
    told = session.tell(add(2, "B", 5, 10_000))
    begin = (InKind.EVENT_BEGIN, 0, 0, MICROSECONDS)
    lost = [begin, *CLEARS, (InKind.EVENT_END, BOOK, 0, 2)]
    assert told == [*lost, *lost, begin, *CLEARS, (InKind.EVENT_END, BOOK, 0, 4)]
    assert bench.board.read_word(0) & 2
    bench.restart()
    assert not bench.board.read_word(0) & 2


@pytest.mark.parametrize("count", [0, 0xFFFF])
def test_a_packet_without_messages_tells_of_a_gap_as_well(count):
    bench = opened()
    session = Session(bench)
    assert bench.check([packet(2, [], count=count)] * 2).size == 0
    assert bench.check([packet(3, [], count=count)]).size == 8
    assert session.sequence == 2
    assert bench.check([packet(2, [add(1, "B", 3, 4)])]).size == 0, "2 is given up"


def test_messages_that_came_before_are_ignored():
    bench = opened()
    session = Session(bench)
    messages = [add(n, "B", 3, 40 + n) for n in range(4)]
    session.tell(*messages)
    assert bench.check([packet(2, messages)]).size == 0
    records = bench.check([packet(4, [*messages[2:], cancel(0, 1)])])
    assert [r["value"] for r in records[1:3]] == [2, 6]
    assert bench.counters()["mold_old"] == 6


def test_another_session_is_refused_and_makes_symbols_invalid():
    bench = opened()
    Session(bench).tell(add(1, "B", 3, 4))
    assert bench.check([packet(3, [add(2, "B", 3, 4)], session=b"OTHERDAY00")]).size == 8
    assert bench.counters()["mold_sessions"] == 1


def test_the_first_message_number_may_be_given():
    bench = opened()
    bench.write("first", 5)
    assert bench.check([packet(4, [action("T"), add(1, "B", 3, 4)])]).size == 3
    bench.restart()
    assert bench.check([packet(6, [add(1, "B", 3, 4)])]).size == 8 + 4
    bench.restart()
    bench.write("first", 1 << 33)
    assert bench.check([packet((1 << 33) - 1, [action("T"), add(1, "B", 3, 4)])]).size == 3


GOOD = [add(1, "B", 3, 4), execute(1, 1), replace(1, 2, 8, 9), delete(2)]


@EVERY_BUILD
def test_bad_packets_are_counted_and_only_their_whole_messages_count(size):
    bench = opened(size)
    session = Session(bench)
    # Cut at every byte: of each message the packet is cut in, then that message to its end.
    octets = len(packet(2, GOOD))
    for n in range(1, octets):
        bench.check([packet(2, GOOD)[:n]])
    counters = bench.counters()
    assert counters["mold_runts"] == 19
    assert counters["mold_truncated"] == octets - 20
    bench.restart()
    session = Session(bench)
    for at, message in enumerate(GOOD):
        for n in range(len(message) + 1):
            assert bench.check([packet(2 + at, [message])[: 20 + n]]).size == 0
        assert bench.check([packet(2 + at, [message])]).size >= 3
    bench.restart()
    session = Session(bench)
    assert session.sequence == 2
    whole = packet(2, GOOD)
    bench.check([whole])
    bench.check([whole + b"x", whole + bytes(40), packet(6, [], count=0) + b"?"])
    assert bench.counters()["mold_trailing"] == 3
    bench.check([(packet(6, GOOD), True)])
    assert bench.counters()["mold_damaged"] == 1
    bench.check([packet(6, GOOD) + bytes(SIZES[size].frame_bytes)])
    assert bench.counters()["mold_oversize"] == 1
    assert bench.check([packet(6, GOOD)]).size == 3 + 4 + 4 + 3


@EVERY_BUILD
def test_messages_of_a_wrong_length_or_an_unknown_type_give_no_level(size):
    bench = opened(size)
    session = Session(bench)
    assert session.tell(b"", add(1, "B", 3, 4))[:4][1:3] == CLEARS
    for message in (
        add(1, "B", 3, 4),
        execute(1, 1),
        delete(1),
        replace(1, 2, 3, 4),
        trade("B", 1, 1),
    ):
        for wrong in (message[:-1], message + b"\0", message[:1], message + bytes(300)):
            bench.restart()
            session = Session(bench)
            assert [r[0] for r in session.tell(wrong)] == 2 * [4, 3, 3, 5]
    bench.restart()
    session = Session(bench)
    assert session.tell(head("z", 1) + bytes(25), b"\0", head("Y", 1), system("O")) == []
    assert session.one(add(1, "B", 3, 4)) == [level(BID, 4, 3)]
    counters = bench.counters()
    assert (counters["itch_foreign"], counters["itch_systems"]) == (2, 1)


def test_the_code_of_the_last_system_event_is_shown():
    bench = opened()
    session = Session(bench)
    for code in "OSQMEC":
        session.tell(system(code))
        assert bench.board.read_word(0) >> 8 & 0xFF == ord(code)


@EVERY_BUILD
@pytest.mark.parametrize("seed", [1, 2])
def test_random_flow_is_the_reference_record_for_record(size, seed):
    stalls = Stalls(seed, 200, 300) if seed == 2 else None
    bench = opened(size, policy=seed & 1, random_init=seed, stalls=stalls)
    flow = FlowSettings(
        6_000,
        seed=seed,
        live=12,
        spread=4,
        unknown_per_mille=10 * (seed & 1),
        reuse_per_mille=1,
        excess_per_mille=1,
        zero_per_mille=1,
        states=True,
    )
    # After a while a symbol breaks: begin anew, with rubbish in the tables.
    packets = list(Packets(order_flow(flow), most=6, seed=seed))
    told = 0
    for at in range(0, len(packets), 60):
        told += bench.check(packets[at : at + 60]).size
        bench.restart()
    assert told > 4_000
    counters = bench.counters()
    for name in ("itch_adds", "itch_takes", "itch_prints", "itch_breaks"):
        assert counters[name] > 0, name


@EVERY_BUILD
def test_mutated_packets_are_the_reference_and_never_hang(size):
    counters = fuzz.itch(60_000, 7, size)
    for name in ("mold_truncated", "mold_damaged", "mold_runts", "mold_trailing", "itch_lengths"):
        assert counters[name] > 0, name
