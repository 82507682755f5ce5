# SPDX-License-Identifier: Apache-2.0
"""Lines A and B to one: the first copy wins, in order, and what is lost on both is said."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_layout, payload_stream
from hdl.net.beat import BEAT_BYTES
from hdl.net.give import Give
from hdl.net.line import LineStore
from hdl.net.registers import pulses
from hdl.net.sessions import Sessions
from hdl.types import flow

__all__ = ["Arbiter"]

_LINE_COUNTS = ("packets", "malformed", "overflow", "duplicates", "heartbeats")
_MOST_LOST = 0xFFFF


class _State(enum.Enum, shape=3):  # type: ignore[call-arg]
    CHOOSE = 0
    OFFER = 1  # a packet is given on
    JOIN = 2  # a session begins: the smallest number that is held is looked for
    LOST = 3  # everything up to the smallest number that is held is declared lost


class Arbiter(wiring.Component):
    """Give on the union of two MoldUDP64 lines, each message once, in order, or say it is lost.

    Packets of both lines stand in slots. The one that holds the expected sequence number is given
    on, from that message on; one with nothing new is dropped. Packets ahead wait for what is
    missing, until `window` cycles have passed, or a line has a quarter of its slots left, or
    another session has begun. Then all up to the smallest number that is held is declared lost: a
    frame of a MoldUDP64 header alone with `error`, its sequence number and count those of the lost
    messages (65535: that many or more).

    A session that is neither the current one nor the one before begins when everything held of the
    current one has been given on or declared lost. It begins with such a frame whose count is 0:
    what came before is not continued. Its first number is `first`, or the smallest one held if that
    is 0.

    Latency is 9 cycles from the last beat of a packet that is expected to the first beat that
    leaves, when nothing else is on its way. Throughput is a beat a cycle, less 2 to 4 cycles a
    packet.

    Parameters
    ----------
    slots : int
        Packets kept of each line.
    slot_bytes : int
        Longest packet, a power of two.

    Members
    -------
    a, b : In(flow(payload_layout(8)))
        The lines; payloads with another tag are passed over.
    o : Out(payload_stream(8))
        MoldUDP64 packets, and losses.
    tag : In(8), window : In(32), first : In(64)
        Registers `line_tag`, `line_window`, `line_first`.
    restart : In(1)
        Forget the sessions and all that is held.
    expected, lost : Out(64)
        Sequence number that is expected next; messages declared lost.
    counts_a, counts_b, counts : Out
        One pulse per counter.

    Raises
    ------
    ValueError
        `slots` is not 1 to 32, or `slot_bytes` no power of two from 64 to 16384.
    """

    def __init__(self, slots: int = 8, slot_bytes: int = 2048) -> None:
        if not 1 <= slots <= 32:
            raise ValueError(f"slots: expected 1 to 32, was {slots}")
        if not 64 <= slot_bytes <= 16384 or slot_bytes & (slot_bytes - 1):
            raise ValueError(
                f"slot_bytes: expected a power of two from 64 to 16384, was {slot_bytes}"
            )
        self.slots, self.slot_bytes = slots, slot_bytes
        per_line = pulses(*_LINE_COUNTS, "old_session", "other_session")
        super().__init__(
            {
                "a": In(flow(payload_layout(BEAT_BYTES))),
                "b": In(flow(payload_layout(BEAT_BYTES))),
                "o": Out(payload_stream(BEAT_BYTES)),
                "tag": In(8),
                "window": In(32),
                "first": In(64),
                "restart": In(1),
                "expected": Out(64),
                "lost": Out(64),
                "counts_a": Out(per_line),
                "counts_b": Out(per_line),
                "counts": Out(
                    pulses(
                        "line_given", "line_trimmed", "line_broken", "line_gaps", "line_sessions"
                    )
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        slots, many = self.slots, 2 * self.slots
        m.submodules.sessions = sessions = Sessions(slots, self.slot_bytes)
        m.submodules.give = give = Give(slots, self.slot_bytes)
        stores, line_counts = self._stores(m, sessions, give), (self.counts_a, self.counts_b)
        wiring.connect(m, give.o, wiring.flipped(self.o))

        # The table of the slots of both lines, and what each means to the expected number.
        entry = data.StructLayout({"first": 64, "end": 64, "bytes": len(sessions.stored.bytes)})
        table = [Signal(entry, name=f"slot_{n}") for n in range(many)]
        valid, later, taken, silent = (
            Signal(many, name=n) for n in ("valid", "later", "taken", "silent")
        )
        known, ahead, spent = (Signal(many, name=n) for n in ("known", "ahead", "spent"))
        expects, joining, forget = Signal(), Signal(), Signal()
        expected = self.expected
        m.d.sync += [
            ahead.eq(Cat(each.first > expected for each in table)),
            spent.eq(Cat(each.end <= expected for each in table)),
            known.eq(Mux(expects | joining | forget, 0, valid & ~later)),
        ]
        useful, waiting, useless = Signal(many), Signal(many), Signal(many)
        settled, idle = Signal(), Signal()
        m.d.comb += [
            useful.eq(valid & known & ~ahead & ~spent & ~taken),
            waiting.eq(valid & known & ahead),
            useless.eq(valid & known & spent & ~taken),
            settled.eq(~(valid & ~later & ~known).any()),
            idle.eq(give.job.ready & sessions.idle),
        ]

        # Slots are freed one a line and cycle, those that were read and those with nothing new.
        read, freed = Signal(many), Signal(many)
        m.d.comb += read.eq(Mux(give.done, 1 << (give.line * slots + give.slot), 0))
        for line, (store, counts) in enumerate(zip(stores, line_counts, strict=True)):
            mine = slice(line * slots, (line + 1) * slots)
            lowest = useless[mine] & (~useless[mine] + 1)[:slots]
            m.d.comb += [
                freed[mine].eq(Mux(forget, valid[mine], read[mine] | lowest)),
                store.release.eq(freed[mine] | sessions.refused[mine]),
                counts.duplicates.eq((lowest & ~silent[mine]).any() & ~forget),
                *(counts[name].eq(store.counts[name]) for name in store.counts.shape().members),
                counts.old_session.eq(sessions.old[line]),
                counts.other_session.eq(sessions.other[line]),
            ]
        m.d.sync += [valid.eq(valid & ~freed), taken.eq(taken & ~freed)]
        stored, place = sessions.stored, Signal(many)
        m.d.comb += place.eq(Mux(sessions.store, 1 << (stored.line * slots + stored.slot), 0))
        with m.If(sessions.store):
            m.d.sync += [valid.eq((valid & ~freed) | place), taken.eq(taken & ~freed & ~place)]
            for n, each in enumerate(table):
                with m.If(place[n]):
                    m.d.sync += [
                        each.first.eq(stored.first),
                        each.end.eq(stored.end),
                        each.bytes.eq(stored.bytes),
                        later[n].eq(stored.later),
                        silent[n].eq(stored.first == stored.end),
                        known[n].eq(0),
                    ]

        over, full = self._overdue(m, waiting.any(), expects), stores[0].full | stores[1].full
        least, found, scanned, _seen = self._smallest(
            m,
            [each.first for each in table],
            Mux(joining, valid & ~later, waiting),
            place,
            goes=settled | joining,
            anew=expects | forget | sessions.switch,
        )

        state, restarting = Signal(_State), Signal()
        chosen, chosen_at = Signal(entry), Signal(range(many))
        missing = Signal(64)
        m.d.comb += missing.eq(least - expected)
        job = give.job.p
        with m.If(self.restart):
            m.d.sync += restarting.eq(1)
        with m.If(give.broken):
            m.d.sync += self.lost.eq(self.lost + give.lost)
        m.d.comb += [
            job.session.eq(sessions.current),
            job.tag.eq(self.tag),
            job.line.eq(chosen_at >= slots),
            job.slot.eq(Mux(job.line, chosen_at - slots, chosen_at)),
            job.bytes.eq(chosen.bytes),
            self.counts.line_trimmed.eq(give.trimmed),
            self.counts.line_broken.eq(give.broken),
        ]
        with m.Switch(state):
            with m.Case(_State.CHOOSE):
                for n in reversed(range(many)):
                    with m.If(useful[n]):
                        m.d.sync += [chosen.eq(table[n]), chosen_at.eq(n)]
                with m.If(restarting):
                    with m.If(idle & ~sessions.moving):
                        m.d.comb += forget.eq(1)
                        m.d.sync += restarting.eq(0)
                with m.Elif(useful.any()):
                    m.d.sync += state.eq(_State.OFFER)
                with m.Elif(settled & idle & ~useless.any()):
                    with m.If(waiting.any() & (over | full | sessions.pending)):
                        with m.If(scanned & found):
                            m.d.sync += state.eq(_State.LOST)
                    with m.Elif(sessions.pending & ~(valid & ~later).any()):
                        m.d.comb += sessions.switch.eq(1)
                        m.d.sync += [joining.eq(1), later.eq(0), state.eq(_State.JOIN)]
            with m.Case(_State.OFFER):
                m.d.comb += [
                    give.job.valid.eq(1),
                    job.first.eq(expected),
                    job.count.eq((chosen.end - expected)[:16]),
                    job.skip.eq((expected - chosen.first)[:16]),
                ]
                with m.If(give.job.ready):
                    m.d.comb += [expects.eq(1), self.counts.line_given.eq(1)]
                    m.d.sync += [
                        expected.eq(chosen.end),
                        taken.bit_select(chosen_at, 1).eq(1),
                        state.eq(_State.CHOOSE),
                    ]
            with m.Case(_State.JOIN):
                with m.If(scanned & found):
                    m.d.sync += state.eq(_State.LOST)
            with m.Case(_State.LOST):
                begins = Mux(self.first == 0, least, self.first)
                m.d.comb += [
                    give.job.valid.eq(1),
                    job.gap.eq(1),
                    job.first.eq(Mux(joining, begins, expected)),
                    job.count.eq(
                        Mux(joining, 0, Mux(missing[16:].any(), _MOST_LOST, missing[:16]))
                    ),
                ]
                with m.If(give.job.ready):
                    m.d.comb += [
                        expects.eq(1),
                        self.counts.line_gaps.eq(~joining),
                        self.counts.line_sessions.eq(joining),
                    ]
                    m.d.sync += [
                        expected.eq(Mux(joining, begins, least)),
                        joining.eq(0),
                        state.eq(_State.CHOOSE),
                    ]
                    with m.If(~joining):
                        m.d.sync += self.lost.eq(self.lost + missing)
        m.d.comb += sessions.restart.eq(forget)
        return m

    def _stores(self, m: Module, sessions: Sessions, give: Give) -> tuple[LineStore, LineStore]:
        """Where the packets of each line are kept, between the line and who reads them."""
        m.submodules.store_a = store_a = LineStore(self.slots, self.slot_bytes)
        m.submodules.store_b = store_b = LineStore(self.slots, self.slot_bytes)
        for store, given, arrival in (
            (store_a, self.a, sessions.a),
            (store_b, self.b, sessions.b),
        ):
            wiring.connect(m, wiring.flipped(given), store.i)
            wiring.connect(m, store.arrival, arrival)
            m.d.comb += [
                store.tag.eq(self.tag),
                store.read_en.eq(give.read_en),
                store.read_addr.eq(give.read_addr),
            ]
        m.d.comb += give.read_data.eq(Mux(give.line, store_b.read_data, store_a.read_data))
        return store_a, store_b

    def _overdue(self, m: Module, waits: Value, expects: Value) -> Signal:
        """Whether the missing number has been waited for long enough."""
        waited, over = Signal(32), Signal()
        with m.If(expects | ~waits):
            m.d.sync += waited.eq(0)
        with m.Elif(~waited.all()):
            m.d.sync += waited.eq(waited + 1)
        m.d.sync += over.eq((waited >= self.window) & ~expects)
        return over

    @staticmethod
    def _smallest(
        m: Module, numbers: list[Value], held: Value, place: Value, goes: Value, anew: Value
    ) -> tuple[Signal, Signal, Signal, tuple[Signal, Signal]]:
        """Smallest number that is held, that there is one, and that all have been looked at.

        Slot by slot while `goes`, and then that of each packet that comes to its `place`; from the
        first slot again after `anew`. The last of what comes back is for the proof: the number
        looked at, and that it is held.
        """
        many = len(numbers)
        scan, scanned = Signal(range(many + 1)), Signal()
        seen, seen_held, came = Signal(64), Signal(), [Signal(many, name=f"came_{n}") for n in "12"]
        least, found, looked = Signal(64), Signal(), Signal(many)
        m.d.sync += [came[0].eq(place), came[1].eq(came[0]), seen_held.eq(0)]
        m.d.comb += scanned.eq((scan == many) & ~seen_held & ~Cat(came).any())
        with m.If(came[1].any()):
            m.d.comb += looked.eq(came[1])
        with m.Elif(goes & (scan != many)):
            m.d.comb += looked.eq(1 << scan)
            m.d.sync += scan.eq(scan + 1)
        for n, number in enumerate(numbers):
            with m.If(looked[n]):
                m.d.sync += [seen.eq(number), seen_held.eq(held[n])]
        with m.If(seen_held & (~found | (seen < least))):
            m.d.sync += [least.eq(seen), found.eq(1)]
        with m.If(anew):
            m.d.sync += [scan.eq(0), found.eq(0), seen_held.eq(0)]
        return least, found, scanned, (seen, seen_held)
