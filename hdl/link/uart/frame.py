# SPDX-License-Identifier: Apache-2.0
"""From frames to bytes on the wire."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.uart.wire import CRC_INIT, crc_step

__all__ = ["OUT_FRAME", "Framer"]

_MOST_PAYLOAD_BYTES = 64
#: A frame to be sent: the first `length` bytes of `payload`.
OUT_FRAME = data.StructLayout(
    {"kind": 8, "length": _MOST_PAYLOAD_BYTES.bit_length(), "payload": 8 * _MOST_PAYLOAD_BYTES}
)
_CRC_BYTES = 4
#: Code, body and delimiter.
_WIRE_BYTES = 1 + 2 + _MOST_PAYLOAD_BYTES + _CRC_BYTES + 1


class _State(enum.Enum, shape=3):  # type: ignore[call-arg]
    IDLE = 0
    FILL = 1  # the body is written, zeros replaced by codes
    CODE = 2  # its last code
    MARK = 3  # its delimiter
    SEND = 4


class Framer(wiring.Component):
    """Number each frame, add its CRC-32, put COBS around it and send it.

    A frame is coded into a memory, a byte a cycle, and then sent.

    Members
    -------
    i : In(stream(OUT_FRAME))
        Frames.
    o : Out(stream(8))
        Bytes for `SerialSender`.
    restart : In(1)
        The next frame has number 0.
    idle : Out(1)
        Nothing is being sent.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(OUT_FRAME)),
                "o": Out(stream.Signature(8)),
                "restart": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.coded = coded = memory.Memory(shape=8, depth=_WIRE_BYTES, init=[])
        write, read = coded.write_port(), coded.read_port()
        state, number = Signal(_State), Signal(8)
        # The frame's bytes, the one that is next, and the number of the one behind it.
        body, front = Signal(16 + 8 * _MOST_PAYLOAD_BYTES), Signal(8)
        behind = Signal(range(_MOST_PAYLOAD_BYTES + 4))
        left, check_left = Signal(range(_MOST_PAYLOAD_BYTES + 3)), Signal(range(_CRC_BYTES + 1))
        crc = Signal(32, init=CRC_INIT)
        at, code_at, code = Signal(7), Signal(7), Signal(8)
        byte = Signal(8)
        m.d.comb += [
            byte.eq(Mux(left != 0, front, ~crc[:8])),
            self.i.ready.eq(state == _State.IDLE),
            self.idle.eq(state == _State.IDLE),
        ]
        with m.If(self.restart):
            m.d.sync += number.eq(0)
        sent, loaded = Signal(7), Signal()
        m.d.comb += [read.addr.eq(sent), read.en.eq(1), self.o.p.eq(read.data)]
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.sync += [
                    body.eq(Cat(self.i.p.kind, number, self.i.p.payload)),
                    front.eq(self.i.p.kind),
                    behind.eq(1),
                    left.eq(self.i.p.length + 2),
                    check_left.eq(_CRC_BYTES),
                    crc.eq(CRC_INIT),
                    at.eq(1),
                    code_at.eq(0),
                    code.eq(1),
                    sent.eq(0),
                    loaded.eq(0),
                ]
                with m.If(self.i.valid):
                    m.d.sync += [state.eq(_State.FILL), number.eq(number + 1)]
            with m.Case(_State.FILL):
                m.d.comb += write.en.eq(1)
                m.d.sync += at.eq(at + 1)
                with m.If(byte == 0):
                    m.d.comb += [write.addr.eq(code_at), write.data.eq(code)]
                    m.d.sync += [code_at.eq(at), code.eq(1)]
                with m.Else():
                    m.d.comb += [write.addr.eq(at), write.data.eq(byte)]
                    m.d.sync += code.eq(code + 1)
                with m.If(left != 0):
                    m.d.sync += [
                        left.eq(left - 1),
                        front.eq(body.word_select(behind, 8)),
                        behind.eq(behind + 1),
                        crc.eq(crc_step(crc, front)),
                    ]
                with m.Else():
                    m.d.sync += [check_left.eq(check_left - 1), crc.eq(crc >> 8)]
                    with m.If(check_left == 1):
                        m.d.sync += state.eq(_State.CODE)
            with m.Case(_State.CODE):
                m.d.comb += [write.en.eq(1), write.addr.eq(code_at), write.data.eq(code)]
                m.d.sync += state.eq(_State.MARK)
            with m.Case(_State.MARK):
                m.d.comb += [write.en.eq(1), write.addr.eq(at), write.data.eq(0)]
                m.d.sync += state.eq(_State.SEND)
            with m.Case(_State.SEND):
                m.d.sync += loaded.eq(1)
                m.d.comb += self.o.valid.eq(loaded)
                with m.If(loaded & self.o.ready):
                    m.d.sync += [sent.eq(sent + 1), loaded.eq(0)]
                    with m.If(sent == at):
                        m.d.sync += state.eq(_State.IDLE)
        return m
