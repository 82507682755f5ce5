# SPDX-License-Identifier: Apache-2.0
"""Bytes on a wire: 8 data bits, no parity, one stop bit, at any baud rate the clock allows."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LEAST_CLOCKS_PER_BIT", "SerialReceiver", "SerialSender", "step_of"]

_PHASE_BITS = 24
_BITS = 10  # of a byte on the wire: start, 8 data bits, stop
#: A start bit is seen up to a clock late, which is a quarter of a bit at most.
LEAST_CLOCKS_PER_BIT = 4


def step_of(clock_hz: int, baud: int) -> int:
    """Phase a clock adds, in 2^-24 bits; the rate it gives is exact to a millionth.

    Raises
    ------
    ValueError
        A bit would last less than `LEAST_CLOCKS_PER_BIT` clocks, or more than 2^12.
    """
    if not LEAST_CLOCKS_PER_BIT * baud <= clock_hz <= baud << 12:
        raise ValueError(
            f"baud: expected {clock_hz >> 12} to {clock_hz // LEAST_CLOCKS_PER_BIT} "
            f"at {clock_hz} Hz, was {baud}"
        )
    return ((baud << _PHASE_BITS) + clock_hz // 2) // clock_hz


class SerialReceiver(wiring.Component):
    """Bytes from a wire.

    A bit is sampled in its middle, counted in fractions of a clock from the edge of the start bit,
    so the error does not add up over a byte. A start bit that is gone at its middle was noise. A
    stop bit that is low makes the byte `broken`; then the wire has to be high before the next one.

    Parameters
    ----------
    clock_hz, baud : int
        Rates.

    Members
    -------
    rx : In(1)
        The wire; it is taken into the clock here.
    valid, data, broken : Out
        Pulse, and the byte; with `broken` it is none.
    """

    def __init__(self, clock_hz: int, baud: int) -> None:
        self.step = step_of(clock_hz, baud)
        super().__init__({"rx": In(1), "valid": Out(1), "data": Out(8), "broken": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        wire = Signal(3, init=7)  # through three registers; the last two are looked at
        m.d.sync += [wire.eq(Cat(self.rx, wire)), self.valid.eq(0), self.broken.eq(0)]
        phase, sample = Signal(_PHASE_BITS), Signal()
        # Half a bit on, and the two clocks that seeing the edge and sampling take on average.
        middle = min((1 << (_PHASE_BITS - 1)) + 2 * self.step, (1 << _PHASE_BITS) - 1)
        bit, left, bits, free = wire[2], Signal(range(_BITS + 1)), Signal(8), Signal(init=1)
        with m.If(left == 0):
            m.d.sync += [phase.eq(middle), sample.eq(0)]
            with m.If(bit):
                m.d.sync += free.eq(1)
            with m.Elif(free):
                m.d.sync += left.eq(_BITS)
        with m.Else():
            m.d.sync += Cat(phase, sample).eq(phase + self.step)
        with m.If((left != 0) & sample):
            m.d.sync += [left.eq(left - 1), bits.eq(Cat(bits[1:], bit))]
            with m.If((left == _BITS) & bit):
                m.d.sync += left.eq(0)
            with m.If(left == 1):
                m.d.sync += [
                    self.valid.eq(1),
                    self.data.eq(bits),
                    self.broken.eq(~bit),
                    bits.eq(bits),
                    free.eq(bit),
                ]
        return m


class SerialSender(wiring.Component):
    """Bytes onto a wire.

    Parameters
    ----------
    clock_hz, baud : int
        Rates.

    Members
    -------
    i : In(stream(8))
        Bytes; one that is offered while the stop bit ends follows without a pause.
    tx : Out(1)
        The wire, high at rest.
    """

    def __init__(self, clock_hz: int, baud: int) -> None:
        self.step = step_of(clock_hz, baud)
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "tx": Out(1, init=1),  # type: ignore[call-arg]
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        phase, next_bit = Signal(_PHASE_BITS), Signal()
        bits, left = Signal(_BITS - 1), Signal(range(_BITS + 1))
        total = Signal(_PHASE_BITS + 1)
        m.d.comb += [
            total.eq(phase + self.step),
            next_bit.eq(total[_PHASE_BITS]),
            self.i.ready.eq((left == 0) | ((left == 1) & next_bit)),
        ]
        m.d.sync += phase.eq(total[:_PHASE_BITS])
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                self.tx.eq(0),
                bits.eq(Cat(self.i.p, Const(1, 1))),
                left.eq(_BITS),
            ]
            with m.If(left == 0):
                m.d.sync += phase.eq(0)
        with m.Elif(next_bit & (left != 0)):
            m.d.sync += [
                self.tx.eq(bits[0]),
                bits.eq(Cat(bits[1:], Const(1, 1))),
                left.eq(left - 1),
            ]
        return m
