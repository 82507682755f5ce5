# SPDX-License-Identifier: Apache-2.0
"""From bytes on the wire to frames that are whole."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.uart.registers import pulses
from hdl.link.uart.wire import CRC_INIT, CRC_RESIDUE, MOST_BODY_BYTES, ToBoard, crc_step

__all__ = ["BODY_BYTE", "LOST", "Deframer"]

#: A byte of a body, and whether it is the last.
BODY_BYTE = data.StructLayout({"data": 8, "last": 1})
#: A body of this one byte stands where a frame was lost.
LOST = 0

_BARE_BYTES = 6  # kind, number and check
#: Bytes of the payload of kinds that have but one length.
_PAYLOAD_BYTES = {ToBoard.HELLO: 4, ToBoard.READ: 2, ToBoard.WRITE: 6, ToBoard.FLUSH: 4}


class Deframer(wiring.Component):
    """Undo COBS, check CRC-32 and shape, and keep frames until they are whole.

    The body of a good frame leaves with its kind, number and check. In place of a frame that is
    bad a body of the byte `LOST` leaves. Bytes are never held up; a frame for which there is no
    room is bad, which credits prevent. Delimiters without anything between them are no frame.

    Parameters
    ----------
    depth : int
        Bytes that are kept, a power of two.

    Members
    -------
    valid, data, broken : In
        Bytes of `SerialReceiver`.
    o : Out(stream(BODY_BYTE))
        Bodies.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, depth: int = 2048) -> None:
        self.depth = depth
        super().__init__(
            {
                "valid": In(1),
                "data": In(8),
                "broken": In(1),
                "o": Out(stream.Signature(BODY_BYTE)),
                "counts": Out(pulses("uart_bad", "uart_malformed")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.bytes = kept = memory.Memory(
            shape=BODY_BYTE, depth=self.depth, init=[], attrs={"ram_style": "block"}
        )
        write, read = kept.write_port(), kept.read_port()
        bits = (self.depth - 1).bit_length()
        whole, at, taken = Signal(bits + 1), Signal(bits + 1), Signal(bits + 1)

        # COBS: a code says after how many bytes the next zero stands, 255 that there is none.
        left, zero_next, wrong = Signal(8), Signal(), Signal()
        begun, decoded, byte = Signal(), Signal(), Signal(8)
        ends = Signal()
        m.d.comb += [
            ends.eq(self.valid & ~self.broken & (self.data == 0)),
            byte.eq(Mux(left == 0, 0, self.data)),
            decoded.eq(self.valid & ~self.broken & ~ends & Mux(left == 0, zero_next, 1)),
        ]
        with m.If(self.valid):
            m.d.sync += begun.eq(~ends)
            with m.If(self.broken):
                m.d.sync += wrong.eq(1)
            with m.Elif(ends):
                m.d.sync += [left.eq(0), zero_next.eq(0), wrong.eq(0)]
            with m.Elif(left == 0):
                m.d.sync += [left.eq(self.data - 1), zero_next.eq(self.data != 0xFF)]
            with m.Else():
                m.d.sync += left.eq(left - 1)

        # A byte is written when the next one, or the end, is here. At the end a verdict.
        held, crc, kind = Signal(8), Signal(32, init=CRC_INIT), Signal(8)
        length = Signal(range(MOST_BODY_BYTES + 2))
        shaped, good, full, owed = Signal(), Signal(), Signal(), Signal()
        payload = length - _BARE_BYTES
        with m.Switch(kind):
            with m.Case(int(ToBoard.RECORDS)):
                m.d.comb += shaped.eq((payload[:4] == 0) & (payload > 0))
            for each, size in _PAYLOAD_BYTES.items():
                with m.Case(int(each)):
                    m.d.comb += shaped.eq(length == _BARE_BYTES + size)
        checked, over = Signal(), Signal()
        m.d.comb += [
            full.eq((at - taken)[: bits + 1] >= self.depth - 1),
            over.eq(length == MOST_BODY_BYTES + 1),
            checked.eq(
                (crc == CRC_RESIDUE) & ~wrong & (left == 0) & ~over & (length >= _BARE_BYTES)
            ),
            good.eq(checked & shaped & ~owed & ~full),
            write.addr.eq(at[:bits]),
            write.data.data.eq(held),
            self.counts.uart_bad.eq(ends & begun & ~checked),
            self.counts.uart_malformed.eq(ends & begun & checked & ~shaped),
        ]
        with m.If(decoded & ~over):
            m.d.sync += [held.eq(byte), crc.eq(crc_step(crc, byte)), length.eq(length + 1)]
            with m.If(length == 0):
                m.d.sync += kind.eq(byte)
            with m.Elif(full):
                m.d.sync += wrong.eq(1)
            with m.Else():
                m.d.comb += write.en.eq(1)
                m.d.sync += at.eq(at + 1)
        with m.Elif(ends):
            m.d.sync += [crc.eq(CRC_INIT), length.eq(0), at.eq(whole)]
            with m.If(begun & good):
                m.d.comb += [write.en.eq(1), write.data.last.eq(1)]
                m.d.sync += [at.eq(at + 1), whole.eq(at + 1)]
            with m.Elif(begun):
                m.d.sync += owed.eq(1)
        with m.Elif(owed & (length == 0) & ((whole - taken)[: bits + 1] != self.depth)):
            m.d.comb += [
                write.en.eq(1),
                write.addr.eq(whole[:bits]),
                write.data.data.eq(LOST),
                write.data.last.eq(1),
            ]
            m.d.sync += [owed.eq(0), at.eq(whole + 1), whole.eq(whole + 1)]

        moves, here = Signal(), Signal()
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            read.en.eq(moves),
            read.addr.eq(taken[:bits]),
        ]
        with m.If(moves):
            m.d.sync += [
                here.eq(taken != whole),
                taken.eq(taken + (taken != whole)),
                self.o.valid.eq(here),
                self.o.p.eq(read.data),
            ]
        return m
