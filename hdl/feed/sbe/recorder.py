# SPDX-License-Identifier: Apache-2.0
"""From what was decoded to in-records: the last stage, where a message is believed or refused."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.sbe.follow import PART_BITS
from hdl.feed.sbe.plan import Action, Item, Reason
from hdl.feed.sbe.sequence import note_layout
from hdl.records import IN_RECORD, InFlag, InKind
from hdl.types import count_layout, level_layout

__all__ = ["Recorder", "step_layout", "ticker_layout"]

_TAKEN = {
    Action.DIFF: "sbe_diffs",
    Action.SNAPSHOT: "sbe_snapshots",
    Action.TRADES: "sbe_trades",
    Action.TICKER: "sbe_tickers",
}
_REASONS = {reason: f"sbe_{reason.name.lower()}" for reason in Reason if reason is not Reason.NONE}
_OTHERS = ("sbe_messages", "sbe_levels", "sbe_trades_refused", "sbe_marks")
#: A depth diff refused for one of these leaves the book as it is.
_HARMLESS = (Reason.NONE, Reason.TAG, Reason.UNSYNCED, Reason.STALE)
_SIDE, _REFILL, _WHOLE = int(InFlag.SIDE), int(InFlag.REFILL), int(InFlag.WHOLE)


def step_layout() -> data.StructLayout:
    """An item on its way to the recorder."""
    return data.StructLayout(
        {
            "item": Item,
            "part": PART_BITS,
            "reason": Reason,  # FINISH: why the walk refused the message
            "trade_id": 64,
            "buyer_is_maker": 8,
        }
    )


def ticker_layout(config: BuildConfig) -> data.StructLayout:
    """Best bid and ask as the exchange states them after an update."""
    return data.StructLayout(
        {
            "symbol": 8,
            "update_id": 64,
            "bid": level_layout(config),
            "ask": level_layout(config),
        }
    )


class Recorder(wiring.Component):
    """Make the records of a message's items, in order; refuse the rest of it at its first fault.

    A message that is refused before it has made a record makes none, apart from the mark of a
    depth diff that is missing now: CLEAR with GAP of both sides. One that is refused later is not
    ended but marked so as well. Each item takes a fixed number of cycles, most of them one.

    Latency is 1 cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    step : In(step_layout), advance : Out(1)
        The item, and whether it is done with.
    price, qty : In
        What the mantissas of its pair are: units, exact, zero.
    verdict, known : In
        Of the root.
    action, tag, time_us, update_id, hold : In
        Of the message.
    o : Out(stream(in record))
        Records.
    note : Out(note_layout)
        Where the symbol's book is after the message.
    ticker : Out(ticker_layout), ticker_valid : Out(1)
        A best bid and ask, one cycle each.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config

        def units(bits: int) -> data.StructLayout:
            return data.StructLayout({"units": bits, "exact": 1, "zero": 1})

        super().__init__(
            {
                "step": In(step_layout()),
                "advance": Out(1),
                "price": In(units(config.price_bits)),
                "qty": In(units(config.qty_bits)),
                "verdict": In(Reason),
                "known": In(1),
                "action": In(Action),
                "tag": In(8),
                "time_us": In(64),
                "update_id": In(64),
                "hold": In(1),
                "o": Out(stream.Signature(IN_RECORD.layout())),
                "note": Out(note_layout()),
                "ticker": Out(ticker_layout(config)),
                "ticker_valid": Out(1),
                "counts": Out(count_layout(*_TAKEN.values(), *_REASONS.values(), *_OTHERS)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        step, action = self.step, self.action
        snapshot, trades = action == Action.SNAPSHOT, action == Action.TRADES
        message = Signal(
            data.StructLayout(
                {
                    "refused": Reason,  # so far
                    "begun": 1,  # it has made a record
                    "deepest": 32,  # price of the side's last level, ticks
                    "levels": 1,  # the side has one
                }
            )
        )
        slot = Signal(
            data.StructLayout({"emit": 1, "kind": 8, "flags": 8, "price_ticks": 32, "value": 64})
        )
        index, count = Signal(2), Signal(2)
        fine = message.refused == Reason.NONE

        # How many cycles an item takes is told by its kind alone.
        second = (step.item == Item.GROUP) & snapshot & (step.part == 1)
        m.d.comb += count.eq((step.item == Item.FINISH) | second)
        with m.If((step.item == Item.ENTRY) & trades):
            m.d.comb += count.eq(2)
        free, last = ~self.o.valid | self.o.ready, index == count
        m.d.comb += self.advance.eq(free & last)
        with m.If(free):
            m.d.sync += [
                self.o.valid.eq(slot.emit),
                self.o.p.eq(
                    Cat(slot.kind, slot.flags, self.tag, Const(0, 8), slot.price_ticks, slot.value)
                ),
                index.eq(Mux(last, 0, index + 1)),
            ]

        with m.If(free & slot.emit):
            m.d.sync += message.begun.eq(1)
        with m.Switch(step.item):
            with m.Case(Item.ROOT):
                self._put(m, slot, InKind.EVENT_BEGIN, 0, self.time_us)
                m.d.comb += slot.emit.eq(
                    (action == Action.DIFF) & (self.verdict == Reason.NONE) & fine
                )
                with m.If(self.advance):
                    m.d.sync += message.refused.eq(self.verdict)
            with m.Case(Item.GROUP):
                with m.If((step.part == 1) & (index == 0)):
                    self._end_side(m, slot, message, 0)
                with m.Else():
                    self._put(m, slot, InKind.REFILL_BEGIN, Mux(step.part == 1, _SIDE, 0))
                m.d.comb += slot.emit.eq(fine & snapshot)
                with m.If(self.advance):
                    m.d.sync += message.levels.eq(0)
            with m.Case(Item.ENTRY):
                with m.If(trades):
                    self._trade(m, slot, index, fine)
                with m.Else():
                    self._level(m, slot, message, snapshot)
            with m.Case(Item.BID, Item.ASK):
                for item, shown in ((Item.BID, self.ticker.bid), (Item.ASK, self.ticker.ask)):
                    with m.If(self.advance & (step.item == item)):
                        m.d.sync += [shown.price.eq(self.price.units), shown.qty.eq(self.qty.units)]
                with m.If(self.advance & fine & ~self._usable()):
                    m.d.sync += message.refused.eq(Reason.VALUE)
            with m.Case(Item.FINISH):
                self._finish(m, slot, message, index)
        return m

    def _usable(self) -> Value:
        return self.price.exact & ~self.price.zero & self.qty.exact

    def _put(
        self,
        m: Module,
        slot: Value,
        kind: InKind,
        flags: Value | int = 0,
        value: Value | int = 0,
    ) -> None:
        m.d.comb += [
            slot.kind.eq(int(kind)),
            slot.flags.eq(flags),
            slot.value.eq(value),
        ]

    def _level(self, m: Module, slot: Value, message: Value, snapshot: Value) -> None:
        """One level; in a snapshot it must have a quantity."""
        fine, good = message.refused == Reason.NONE, Signal(name="level_good")
        flags = Mux(self.step.part == 1, _SIDE, 0) | Mux(snapshot, _REFILL, 0)
        self._put(m, slot, InKind.LEVEL, flags, self.qty.units)
        m.d.comb += [
            good.eq(self._usable() & ~(snapshot & self.qty.zero)),
            slot.price_ticks.eq(self.price.units),
            slot.emit.eq(fine & good),
            self.counts.sbe_levels.eq(self.advance & fine & good),
        ]
        with m.If(self.advance & fine):
            m.d.sync += [message.deepest.eq(self.price.units), message.levels.eq(1)]
            with m.If(~good):
                m.d.sync += message.refused.eq(Reason.VALUE)

    def _trade(self, m: Module, slot: Value, index: Value, fine: Value) -> None:
        """A trade as an event of its own, or nothing of it."""
        step, good = self.step, Signal(name="trade_good")
        m.d.comb += [
            good.eq(
                self._usable() & ~self.qty.zero & ~step.trade_id[63] & (step.buyer_is_maker < 2)
            ),
            slot.emit.eq(fine & good),
            self.counts.sbe_trades_refused.eq(self.advance & fine & ~good),
        ]
        with m.Switch(index):
            with m.Case(0):
                self._put(m, slot, InKind.EVENT_BEGIN, 0, self.time_us)
            with m.Case(1):
                flags = Mux(step.buyer_is_maker[0], _SIDE, 0)
                self._put(m, slot, InKind.TRADE, flags, self.qty.units)
                m.d.comb += slot.price_ticks.eq(self.price.units)
            with m.Default():
                self._put(m, slot, InKind.EVENT_END, 0, step.trade_id)

    def _end_side(self, m: Module, slot: Value, message: Value, side: int) -> None:
        """The end of a side's refill: nothing is known beyond its last level, if it has one."""
        beyond = Signal(32, name=f"beyond{side}")
        if side:
            m.d.comb += beyond.eq(Mux(message.deepest.all(), message.deepest, message.deepest + 1))
        else:
            m.d.comb += beyond.eq(message.deepest - 1)
        flags = Mux(message.levels, side, side | _WHOLE)
        self._put(m, slot, InKind.REFILL_END, flags)
        m.d.comb += slot.price_ticks.eq(Mux(message.levels, beyond, 0))

    def _finish(self, m: Module, slot: Value, message: Value, index: Value) -> None:
        """The message is taken, or counted under the first rule it broke and marked."""
        step, action, final = self.step, self.action, Signal(Reason, name="final")
        taken, mark, done = (Signal(name=name) for name in ("taken", "mark", "done"))
        harmless = Cat(final == reason for reason in _HARMLESS).any()
        m.d.comb += [
            final.eq(Mux(message.refused == Reason.NONE, step.reason, message.refused)),
            taken.eq(final == Reason.NONE),
            mark.eq(~taken & self.known & (message.begun | ((action == Action.DIFF) & ~harmless))),
            done.eq(self.advance),
            self.note.en.eq(
                done & (mark | (taken & ((action == Action.DIFF) | (action == Action.SNAPSHOT))))
            ),
            self.note.symbol.eq(self.tag),
            self.note.synced.eq(taken),
            self.note.id.eq(self.update_id),
            self.ticker.symbol.eq(self.tag),
            self.ticker.update_id.eq(self.update_id),
            self.ticker_valid.eq(done & taken & (action == Action.TICKER)),
            self.counts.sbe_messages.eq(done),
            self.counts.sbe_marks.eq(done & mark),
        ]
        for one, name in _TAKEN.items():
            m.d.comb += self.counts[name].eq(done & taken & (action == one))
        for reason, name in _REASONS.items():
            m.d.comb += self.counts[name].eq(done & (final == reason))
        with m.If(mark):
            flags = Mux(index == 0, 0, _SIDE) | int(InFlag.GAP)
            self._put(m, slot, InKind.CLEAR, flags)
            m.d.comb += slot.emit.eq(1)
        with m.Elif(action == Action.DIFF):
            self._put(m, slot, InKind.EVENT_END, int(InFlag.BOOK), self.update_id)
            m.d.comb += slot.emit.eq(taken & ~self.hold & (index == 0))
        with m.Elif(action == Action.SNAPSHOT):
            self._end_side(m, slot, message, _SIDE)
            m.d.comb += slot.emit.eq(taken & (index == 0))
        with m.If(done):
            m.d.sync += message.eq(0)
