# SPDX-License-Identifier: Apache-2.0
"""Header of a MoldUDP64 packet, and its place in the session."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.messages import HEADER_BYTES, MOLD_COUNT, MOLD_SEQUENCE, MOLD_SESSION

__all__ = ["MoldHeader", "big_endian"]


def big_endian(octets: list, first: int, size: int) -> Value:
    """Number in `size` bytes from `first` on."""
    return Cat(*reversed(octets[first : first + size]))


class MoldHeader(wiring.Component):
    """Collect a header, and compare it with what is expected.

    The first header after a reset names the session. What is said of a header stands two cycles
    after its last byte was written, and a cycle after `join`, `jump` or `passed`.

    Parameters
    ----------
    width : int
        Bytes in a beat, a power of two.

    Members
    -------
    lanes : In, done : In(5), write : In(1)
        Bytes, lane n of them that with number n modulo `width`; how many are written already.
    first : In(64)
        Number expected first, 0: that of the first header.
    join : In(1)
        This header's session is ours.
    jump : In(1)
        This header's number is the next.
    number : In(64), passed : In(1)
        Number of the message in hand; it has been dealt with.
    sequence : Out(64), count : Out(16)
        Of the header.
    joined : Out(1), same : Out(1)
        There is a session, and it is the header's.
    ahead : Out(1)
        The header's number is above the one expected.
    fresh : Out(1)
        The message in hand is the one expected.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(
            {
                "lanes": In(8 * width),
                "done": In(HEADER_BYTES.bit_length()),
                "write": In(1),
                "first": In(64),
                "join": In(1),
                "jump": In(1),
                "number": In(64),
                "passed": In(1),
                "sequence": Out(64),
                "count": Out(16),
                "joined": Out(1),
                "same": Out(1),
                "ahead": Out(1),
                "fresh": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        head = Signal(data.ArrayLayout(8, HEADER_BYTES))
        octets = [head[n] for n in range(HEADER_BYTES)]
        session, expected = Signal(8 * MOLD_SESSION[1]), Signal(64)
        named = big_endian(octets, *MOLD_SESSION)
        for n in range(HEADER_BYTES):
            with m.If(self.write & (self.done <= n)):
                m.d.sync += head[n].eq(self.lanes.word_select(n % self.width, 8))
        m.d.comb += [
            self.sequence.eq(big_endian(octets, *MOLD_SEQUENCE)),
            self.count.eq(big_endian(octets, *MOLD_COUNT)),
        ]
        m.d.sync += [
            self.same.eq(named == session),
            self.ahead.eq(self.sequence > expected),
            self.fresh.eq(self.number == expected),
        ]
        with m.If(self.join):
            m.d.sync += [
                self.joined.eq(1),
                session.eq(named),
                expected.eq(Mux(self.first == 0, self.sequence, self.first)),
            ]
        with m.Elif(self.jump):
            m.d.sync += expected.eq(self.sequence)
        with m.Elif(self.passed & self.fresh):
            m.d.sync += expected.eq(self.number + 1)
        return m
