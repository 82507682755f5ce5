# SPDX-License-Identifier: Apache-2.0
"""The reference's side against two other formulations of it.

The first sorts a list of all levels after every record. The second keeps the whole side of
an exchange, unbounded, and asks of the reference only what the architecture promises: what
lies better than the horizon is exact.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.reference.model import (
    ASK,
    BID,
    Model,
    clear,
    event,
    level,
    refill_begin,
    refill_end,
    refill_level,
)

CAPACITY = 3
PRICES = range(1, 10)


class SortedList:
    """A side as a list of (price, quantity), best first; a horizon as a price."""

    def __init__(self, ask):
        self.ask = ask
        self.state = "unknown"
        self.levels = []
        self.horizon = None
        self.counts = {}

    def count(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    def better(self, price, other):
        return price < other if self.ask else price > other

    def put(self, price, qty, counting):
        def count(name):
            if counting:
                self.count(name)

        if self.horizon is not None and not self.better(price, self.horizon):
            return count("level_beyond")
        at_price = [item for item in self.levels if item[0] == price]
        others = [item for item in self.levels if item[0] != price]
        if qty == 0:
            self.levels = others
            return count("level_deletes" if at_price else "level_absent")
        everything = sorted([*others, (price, qty)], reverse=not self.ask)
        self.levels, dropped = everything[:CAPACITY], everything[CAPACITY:]
        if at_price:
            return count("level_changes")
        if dropped:
            self.horizon = dropped[0][0]
            count("level_evicts")
        if (price, qty) in self.levels:
            count("level_inserts")

    def apply(self, step):
        name, price, qty = step
        if name == "update":
            if self.state == "loading":
                self.state, self.levels = "unknown", []
                self.count("refill_broken")
            elif self.state == "unknown":
                self.count("level_unknown")
            else:
                self.put(price, qty, counting=True)
        elif name == "clear":
            self.state, self.levels = "unknown", []
            self.count("clears")
        elif name == "begin":
            self.state, self.levels, self.horizon = "loading", [], None
            self.count("refill_begins")
        elif self.state != "loading":
            self.count("refill_orphans")
        elif name == "load":
            self.put(price, qty or 1, counting=False)
            self.count("refill_levels")
        elif name == "whole":
            self.state = "known"
            self.count("refill_ends")
        elif name == "end":
            if self.levels and not self.better(self.levels[-1][0], price):
                self.state, self.levels = "unknown", []
                self.count("refill_broken")
            else:
                if self.horizon is None or self.better(price, self.horizon):
                    self.horizon = price
                self.state = "known"
                self.count("refill_ends")


def records(step, side):
    name, price, qty = step
    if name == "update":
        return event(level(side, price, qty))
    if name == "load":
        return [refill_level(side, price, qty or 1)]
    if name == "end":
        return [refill_end(side, price)]
    return [{"clear": clear, "begin": refill_begin, "whole": refill_end}[name](side)]


steps = st.lists(
    st.tuples(
        st.sampled_from(["update"] * 12 + ["load"] * 4 + ["begin", "end", "whole", "clear"]),
        st.sampled_from(PRICES),
        st.integers(0, 3),
    ),
    max_size=40,
)
# Most sides are known from the start, or nothing of interest happens.
known_first = st.sampled_from([[], [("begin", 1, 0), ("whole", 1, 0)], [("begin", 1, 0)]])
sides = st.sampled_from([BID, ASK])

SIDE_COUNTERS = {
    "clears",
    "refill_begins",
    "refill_levels",
    "refill_ends",
    "refill_orphans",
    "refill_broken",
    "level_inserts",
    "level_changes",
    "level_deletes",
    "level_evicts",
    "level_beyond",
    "level_absent",
    "level_unknown",
}


def read_out(model, side):
    """Levels best first and the horizon of a known side, by deleting at every price."""
    name = "ask" if side else "bid"
    held, horizon = [], None
    for price in PRICES if side else reversed(PRICES):
        view = model.view()
        moved = model.counted(event(level(side, price, 0)))
        if "level_deletes" in moved:
            assert view[f"{name}_price_ticks"] == price
            held.append((price, int(view[f"{name}_qty_lots"])))
        elif "level_beyond" in moved and horizon is None:
            horizon = price
    return held, horizon


@given(known_first, steps, sides)
def test_a_side_is_what_sorting_all_levels_after_every_record_gives(first, more, side):
    model, simple = Model(levels_n=2), SortedList(ask=side == ASK)
    name = "ask" if side else "bid"
    for step in [*first, *more]:
        moved = model.counted(records(step, side))
        simple.counts = {}
        simple.apply(step)
        assert {n: moved[n] for n in moved if n in SIDE_COUNTERS} == simple.counts
        view = model.view()
        shown = [view[f"{name}_{f}"] for f in ("price_ticks", "qty_lots", "sum_lots", "depth")]
        levels = simple.levels if simple.state == "known" else []
        best = levels[0] if levels else (0, 0)
        assert shown == [*best, sum(qty for _, qty in levels[:2]), len(levels)]
    if simple.state == "known":
        held, horizon = read_out(model, side)
        assert held == simple.levels
        assert horizon == simple.horizon


@given(
    st.dictionaries(st.sampled_from(PRICES), st.integers(1, 9)),
    st.integers(0, CAPACITY),
    st.lists(st.tuples(st.sampled_from(PRICES), st.integers(0, 9)), max_size=40),
    sides,
)
def test_every_level_better_than_the_horizon_is_that_of_the_exchange(truth, depth, updates, side):
    best_first = sorted(truth, reverse=side == BID)
    model = Model()
    model.feed(refill_begin(side))
    model.feed([refill_level(side, price, truth[price]) for price in best_first[:depth]])
    beyond = best_first[depth:]
    model.feed(refill_end(side, beyond[0]) if beyond else refill_end(side))
    for price, qty in updates:
        model.feed(event(level(side, price, qty)))
        truth[price] = qty
    held, horizon = read_out(model, side)
    live = sorted((item for item in truth.items() if item[1]), reverse=side == BID)
    if horizon is not None:
        live = [(p, qty) for p, qty in live if (p < horizon if side == ASK else p > horizon)]
    assert held == live
