# SPDX-License-Identifier: Apache-2.0
"""Which session a packet belongs to: the current one, the one before, or one that begins."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.line import arrival_layout

__all__ = ["Sessions"]


class Sessions(wiring.Component):
    """Take the arrivals of both lines one by one, and refuse those of other sessions.

    A packet of the current session is stored. One of the session before is refused: a line that
    lags still sends it. The first one of any further session announces that session, which then is
    pending; its packets are stored as `later`, those of a third one are refused until it has begun.

    Latency is 2 cycles, throughput an arrival every 2 cycles; line A goes first.

    Parameters
    ----------
    slots, slot_bytes : int
        Of each line's store.

    Members
    -------
    a, b : In(stream)
        Packets that have come.
    store : Out(1), stored : Out
        Pulse, and the packet to be stored.
    refused : Out(2 * slots)
        Slots of refused packets, those of line A lower.
    old, other : Out(2)
        Pulses by line: a packet of the session before; one of a third session.
    pending : Out(1)
        A session waits to begin.
    switch : In(1)
        It begins. Only while `idle`.
    restart : In(1)
        Forget all sessions. Only while `idle`.
    current : Out(80)
        The session.
    idle : Out(1)
        No arrival is under way or waits.
    moving : Out(1)
        An arrival is under way.
    """

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slots = slots
        arrival = arrival_layout(slots, slot_bytes)
        kept = {name: arrival.members[name] for name in ("slot", "first", "end", "bytes")}
        super().__init__(
            {
                "a": In(stream.Signature(arrival)),
                "b": In(stream.Signature(arrival)),
                "store": Out(1),
                "stored": Out(data.StructLayout({"line": 1, "later": 1, **kept})),
                "refused": Out(2 * slots),
                "old": Out(2),
                "other": Out(2),
                "pending": Out(1),
                "switch": In(1),
                "restart": In(1),
                "current": Out(80),
                "idle": Out(1),
                "moving": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        before, following = Signal(80), Signal(80)
        joined, before_known = Signal(), Signal()
        arrival, line = Signal(self.a.p.shape()), Signal()
        taken, is_current, is_before, is_following = Signal(), Signal(), Signal(), Signal()
        chosen = Signal(self.a.p.shape())
        held = self.switch | self.restart
        m.d.comb += [
            chosen.eq(Mux(self.a.valid, self.a.p, self.b.p)),
            self.a.ready.eq(~taken & ~held),
            self.b.ready.eq(~taken & ~held & ~self.a.valid),
            self.moving.eq(taken),
            self.idle.eq(~taken & ~self.a.valid & ~self.b.valid),
        ]
        m.d.sync += taken.eq(0)
        with m.If((self.a.valid & self.a.ready) | (self.b.valid & self.b.ready)):
            m.d.sync += [
                taken.eq(1),
                line.eq(~self.a.valid),
                arrival.eq(chosen),
                is_current.eq(joined & (chosen.session == self.current)),
                is_before.eq(before_known & (chosen.session == before)),
                is_following.eq(chosen.session == following),
            ]
        with m.If(taken):
            place = Cat(
                Mux(line, 0, 1 << arrival.slot)[: self.slots],
                Mux(line, 1 << arrival.slot, 0)[: self.slots],
            )
            m.d.comb += self.store.eq(1)
            with m.If(is_current):
                pass
            with m.Elif(is_before):
                m.d.comb += [self.store.eq(0), self.refused.eq(place), self.old.eq(1 << line)]
            with m.Elif(self.pending & ~is_following):
                m.d.comb += [self.store.eq(0), self.refused.eq(place), self.other.eq(1 << line)]
            with m.Else():
                m.d.comb += self.stored.later.eq(1)
                m.d.sync += [self.pending.eq(1), following.eq(arrival.session)]
        m.d.comb += [
            self.stored.line.eq(line),
            *(self.stored[name].eq(arrival[name]) for name in ("slot", "first", "end", "bytes")),
        ]
        with m.If(self.switch):
            m.d.sync += [
                before.eq(self.current),
                before_known.eq(joined),
                self.current.eq(following),
                joined.eq(1),
                self.pending.eq(0),
            ]
        with m.If(self.restart):
            m.d.sync += [joined.eq(0), before_known.eq(0), self.pending.eq(0)]
        return m
