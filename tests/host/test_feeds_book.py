# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest

from host.feeds.book import BookSide, DepthEvent, FullBook, Ticker

BIDS = ([100, 99, 97], [1, 2, 3])
ASKS = ([101, 103, 104], [4, 5, 6])


def event(last_id, bids=(), asks=()):
    return DepthEvent(
        last_id,
        last_id,
        last_id - 1,
        0,
        [p for p, _ in bids],
        [q for _, q in bids],
        [p for p, _ in asks],
        [q for _, q in asks],
    )


def truncated():
    """A book at id 10 whose snapshot was cut off at 97 and 104."""
    book = FullBook(Counter())
    book.load(10, BIDS, ASKS, limit=3)
    return book


def counts(book):
    return dict(book._counters)


@pytest.mark.parametrize("ask", [False, True])
def test_a_full_snapshot_ends_at_its_deepest_level_and_a_shorter_one_is_whole(ask):
    side = BookSide(ask)
    prices, qtys = ASKS if ask else BIDS
    side.load(prices, qtys, limit=3)
    assert side.horizon_ticks == prices[-1] and not side.whole and side.known == 3
    side.load(prices, qtys, limit=4)
    assert side.horizon_ticks is None and side.whole and side.known == 3
    assert side.best() == (prices[0], qtys[0])
    assert side.top(2) == list(zip(prices, qtys, strict=True))[:2]


def test_levels_beyond_the_horizon_are_kept_but_not_counted_as_known():
    book = truncated()
    book.apply(event(11, [(96, 7), (98, 8)], [(105, 9)]))
    assert book.bids.levels == {100: 1, 99: 2, 98: 8, 97: 3, 96: 7}
    assert book.bids.known == 4 and book.asks.known == 3
    assert book.bids.top(9) == [(100, 1), (99, 2), (98, 8), (97, 3)]
    book.apply(event(12, [(p, 0) for p in (100, 99, 98, 97)]))
    assert book.bids.best() is None and book.bids.known == 0 and book.bids.top(3) == []


def test_a_delete_takes_the_level_and_one_of_a_level_that_is_not_there_does_nothing():
    book = truncated()
    book.apply(event(11, [(100, 0), (98, 0)], [(101, 0)]))
    assert book.bids.best() == (99, 2) and book.asks.best() == (103, 5)


def test_a_ticker_extends_the_horizon_to_a_price_the_event_touched():
    book = truncated()
    book.add_ticker(Ticker(11, 95, 7, 101, 4))
    book.apply(event(12, [(100, 0), (99, 0), (97, 0), (95, 8), (94, 2)]))
    assert book.bids.horizon_ticks == 95 and book.bids.best() == (95, 8)
    assert counts(book)["horizon_extended"] == 1


def test_a_ticker_extends_the_horizon_to_a_price_known_before_with_the_same_quantity():
    book = truncated()
    book.apply(event(11, [(95, 7)], [(106, 3)]))
    book.add_ticker(Ticker(12, 95, 7, 106, 3))
    book.apply(
        event(13, [(100, 0), (99, 0), (97, 0), (96, 0)], [(101, 0), (103, 0), (104, 0), (105, 1)])
    )
    assert book.bids.horizon_ticks == 95 and book.bids.best() == (95, 7)
    assert book.asks.horizon_ticks == 106 and book.asks.best() == (105, 1)
    assert counts(book)["horizon_extended"] == 2


def test_a_price_that_was_touched_and_deleted_still_extends_the_horizon():
    book = truncated()
    book.add_ticker(Ticker(11, 95, 7, 101, 4))
    book.apply(event(12, [(100, 0), (99, 0), (97, 0), (95, 0)]))
    assert book.bids.horizon_ticks == 95 and book.bids.known == 0


@pytest.mark.parametrize("known", [{}, {95: 6}], ids=["absent", "other quantity"])
def test_a_ticker_at_a_price_not_known_so_extends_nothing_and_is_counted(known):
    book = truncated()
    book.apply(event(11, list(known.items())))
    book.add_ticker(Ticker(12, 95, 7, 101, 4))
    book.apply(event(13, [(100, 0), (99, 0), (97, 0)]))
    assert book.bids.horizon_ticks == 97
    assert counts(book) == {"ticker_disagrees": 1}


def test_a_ticker_below_a_better_bid_that_nothing_touched_extends_nothing():
    book = truncated()
    book.add_ticker(Ticker(11, 95, 7, 101, 4))
    book.apply(event(12, [(100, 0), (97, 0), (95, 7)]))
    assert book.bids.horizon_ticks == 97
    assert counts(book)["ticker_disagrees"] == 1


@pytest.mark.parametrize("update_id", [9, 10, 13])
def test_a_ticker_before_the_last_event_or_after_this_one_extends_nothing_now(update_id):
    book = truncated()
    book.add_ticker(Ticker(update_id, 95, 7, 101, 4))
    book.apply(event(12, [(100, 0), (99, 0), (97, 0), (95, 7)]))
    assert book.bids.horizon_ticks == 97
    assert counts(book) == {}
    book.apply(event(13))
    assert book.bids.horizon_ticks == (95 if update_id == 13 else 97)


def test_a_whole_side_stays_whole_whatever_a_ticker_says():
    book = FullBook(Counter())
    book.load(10, BIDS, ASKS, limit=4)
    book.add_ticker(Ticker(11, 50, 1, 200, 1))
    book.apply(event(11, [(50, 1)], [(200, 1)]))
    assert book.bids.whole and book.asks.whole


def test_the_last_ticker_of_an_event_is_compared_with_the_best_levels():
    book = truncated()
    book.add_ticker(Ticker(11, 99, 9, 103, 5))
    book.add_ticker(Ticker(12, 100, 1, 101, 4))
    book.apply(event(12))
    assert counts(book) == {"ticker_checked": 1}
    for wrong in ((99, 1, 101, 4), (100, 2, 101, 4), (100, 1, 103, 4), (100, 1, 101, 5)):
        book.add_ticker(Ticker(book.last_id + 1, *wrong))
        book.apply(event(book.last_id + 1))
    assert counts(book) == {"ticker_checked": 5, "ticker_mismatch": 4}


def test_books_differ_only_where_both_are_completely_known():
    one, two = truncated(), truncated()
    two.apply(event(11, [(96, 5)]))
    assert not one.differs(two) and not two.differs(one)
    for change in ([(99, 7)], [(99, 0)], [(98, 1)]):
        other = truncated()
        other.apply(event(11, change))
        assert one.differs(other) and other.differs(one)


def test_tickers_that_nothing_consumes_do_not_pile_up():
    book = truncated()
    for n in range(10_000):
        book.add_ticker(Ticker(1000 + n, 100, 1, 101, 4))
    assert len(book._tickers) < 5000
