# SPDX-License-Identifier: Apache-2.0
"""The board's end of the serial link: records, registers, credits, and what a loss does."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.clear import ClearAll
from hdl.link.uart.deframe import LOST, Deframer
from hdl.link.uart.frame import Framer
from hdl.link.uart.registers import COUNTERS
from hdl.link.uart.serial import SerialReceiver, SerialSender
from hdl.link.uart.wire import FromBoard, ToBoard
from hdl.records import IN_RECORD
from hdl.regs.bank import BANK_BUS

__all__ = ["QUIET_CYCLES", "UartEndpoint"]

#: Cycles without output after which a FLUSH takes everything to have come: more than the
#: pipeline's latency.
QUIET_CYCLES = 64
_RECORD_BYTES = 16
_STATUS = data.StructLayout(
    {"expected": 8, "answer": 8, "nonce": 32, **{name: 32 for name, _ in COUNTERS}}
)
#: What is to be told apart from results: a status; an answer of this kind, with this in it.
_OWED = data.StructLayout({"status": 1, "answer": 1, "kind": 8, "address": 16, "value": 32})


class _State(enum.Enum, shape=3):  # type: ignore[call-arg]
    KIND = 0
    NUMBER = 1
    CLEAR = 2  # every symbol is made invalid
    PAYLOAD = 3
    RECORD = 4  # a record is offered
    READ = 5
    QUIET = 6  # a FLUSH waits for the output to end
    ANSWER = 7


class UartEndpoint(wiring.Component):
    """Frames of `docs/uart.md` on two wires.

    A frame that is bad, malformed, or missing by its number makes every symbol invalid before any
    later record: CLEAR with GAP of both sides of each. So does a HELLO, which begins a session.

    Parameters
    ----------
    clock_hz, baud : int
        Rates.
    symbols : int
        Symbols of the build.

    Members
    -------
    rx : In(1), tx : Out(1)
        The wires.
    records : Out(stream(in record))
        To the pipeline.
    results : In(stream(512))
        From the pipeline.
    bus : Out(BANK_BUS)
        To the registers.
    """

    def __init__(self, clock_hz: int, baud: int, symbols: int) -> None:
        self.clock_hz, self.baud, self.symbols = clock_hz, baud, symbols
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1),
                "records": Out(stream.Signature(IN_RECORD.layout())),
                "results": In(stream.Signature(512)),
                "bus": Out(BANK_BUS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = SerialReceiver(self.clock_hz, self.baud)
        m.submodules.deframer = deframer = Deframer()
        m.submodules.framer = framer = Framer()
        m.submodules.sender = sender = SerialSender(self.clock_hz, self.baud)
        m.submodules.clear = clear = ClearAll(self.symbols)
        wiring.connect(m, framer.o, sender.i)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(sender.tx),
            deframer.valid.eq(receiver.valid),
            deframer.data.eq(receiver.data),
            deframer.broken.eq(receiver.broken),
        ]

        counts = Signal(data.StructLayout({name: 32 for name, _ in COUNTERS}))
        status = Signal(_STATUS)
        add = {name: Signal(8, name=f"add_{name}") for name, _ in COUNTERS}
        m.d.comb += [
            add["uart_bad"].eq(deframer.counts.uart_bad),
            add["uart_malformed"].eq(deframer.counts.uart_malformed),
        ]
        for name, count in add.items():
            total = Signal(33, name=f"total_{name}")
            m.d.comb += total.eq(counts[name] + count)
            m.d.sync += counts[name].eq(Mux(total[32], 0xFFFFFFFF, total[:32]))

        state, body = Signal(_State), deframer.o
        kind, expected = Signal(8), Signal(8)
        text, have = Signal(8 * (_RECORD_BYTES + 4)), Signal(range(_RECORD_BYTES + 5))
        quiet = Signal(range(QUIET_CYCLES + 1))
        nonce, ended, heard = Signal(32), Signal(), Signal()
        owed, address = Signal(_OWED), Signal(16)  # address of this frame

        # Bytes of a payload pass through a register of a record and a check.
        m.d.comb += [
            self.records.p.eq(text[: 8 * _RECORD_BYTES]),
            self.bus.addr.eq(address[: len(self.bus.addr)]),
            self.bus.w_data.eq(text[16:48]),
            clear.o.ready.eq(self.records.ready),
        ]
        in_table = address[len(self.bus.addr) :] == 0
        with m.Switch(state):
            with m.Case(_State.KIND):
                m.d.comb += body.ready.eq(1)
                m.d.sync += [kind.eq(body.p.data), have.eq(0), ended.eq(0)]
                with m.If(body.valid):
                    m.d.sync += state.eq(_State.NUMBER)
                    with m.If(body.p.data == LOST):
                        m.d.sync += state.eq(_State.CLEAR)
            with m.Case(_State.NUMBER):
                m.d.comb += body.ready.eq(1)
                with m.If(body.valid):
                    m.d.sync += [expected.eq(body.p.data + 1), state.eq(_State.PAYLOAD)]
                    with m.If(kind == ToBoard.HELLO):
                        m.d.sync += state.eq(_State.CLEAR)
                    with m.Elif((body.p.data != expected) | ~heard):
                        m.d.comb += add["uart_lost"].eq((body.p.data - expected)[:8])
                        m.d.sync += state.eq(_State.CLEAR)
                    m.d.sync += heard.eq(1)
            with m.Case(_State.CLEAR):
                m.d.comb += [
                    clear.enable.eq(1),
                    self.records.valid.eq(1),
                    self.records.p.eq(clear.o.p),
                ]
                with m.If(clear.done):
                    m.d.comb += add["uart_invalidated"].eq(1)
                    m.d.sync += [owed.status.eq(1), state.eq(_State.PAYLOAD)]
                    with m.If(kind == LOST):
                        m.d.sync += state.eq(_State.KIND)
            with m.Case(_State.PAYLOAD):
                m.d.comb += body.ready.eq(1)
                with m.If(body.valid):
                    m.d.sync += have.eq(have + 1)
                    for n in range(_RECORD_BYTES + 4):
                        with m.If(have == n):
                            m.d.sync += text[8 * n : 8 * n + 8].eq(body.p.data)
                    with m.If((kind == ToBoard.RECORDS) & (have == _RECORD_BYTES - 1)):
                        m.d.sync += [state.eq(_State.RECORD), have.eq(0)]
                    with m.If(body.p.last):
                        m.d.sync += [state.eq(_State.ANSWER), owed.status.eq(1)]
                        m.d.sync += address.eq(text[:16])
            with m.Case(_State.RECORD):
                m.d.comb += self.records.valid.eq(1)
                with m.If(self.records.ready):
                    m.d.sync += state.eq(_State.PAYLOAD)
            with m.Case(_State.ANSWER):
                m.d.sync += quiet.eq(0)
                with m.Switch(kind):
                    with m.Case(int(ToBoard.READ)):
                        m.d.comb += self.bus.r_en.eq(in_table)
                        m.d.sync += state.eq(_State.READ)
                    with m.Case(int(ToBoard.WRITE)):
                        with m.If(~owed.answer):
                            m.d.comb += self.bus.w_en.eq(in_table)
                            m.d.sync += [
                                owed.answer.eq(1),
                                owed.kind.eq(int(FromBoard.DONE)),
                                owed.address.eq(address),
                                state.eq(_State.KIND),
                            ]
                    with m.Case(int(ToBoard.FLUSH), int(ToBoard.HELLO)):
                        m.d.sync += state.eq(_State.QUIET)
                    with m.Default():
                        m.d.sync += state.eq(_State.KIND)
            with m.Case(_State.READ):
                with m.If(~owed.answer):
                    m.d.sync += [
                        owed.value.eq(Mux(in_table, self.bus.r_data, 0)),
                        owed.answer.eq(1),
                        owed.kind.eq(int(FromBoard.VALUE)),
                        owed.address.eq(address),
                        state.eq(_State.KIND),
                    ]
            with m.Case(_State.QUIET):
                m.d.sync += quiet.eq(quiet + 1)
                with m.If(self.results.valid | ~self.records.ready | ~framer.idle):
                    m.d.sync += quiet.eq(0)
                with m.If((quiet == QUIET_CYCLES) & ~owed.answer & ~self.results.valid):
                    m.d.sync += [
                        owed.answer.eq(1),
                        owed.kind.eq(int(FromBoard.STATUS)),
                        nonce.eq(text[:32]),
                        state.eq(_State.KIND),
                    ]
                    with m.If(kind == ToBoard.HELLO):
                        m.d.comb += framer.restart.eq(1)

        m.d.comb += [
            status.expected.eq(expected),
            status.answer.eq(0),
            status.nonce.eq(nonce),
            *(status[name].eq(counts[name]) for name, _ in COUNTERS),
        ]
        self._tell(m, framer, owed, status)
        return m

    def _tell(self, m: Module, framer: Framer, owed: Signal, status: Signal) -> None:
        """What is owed to the host, the first first: an answer, a status, a result."""
        out = framer.i
        m.d.comb += out.p.length.eq(_STATUS.size // 8)
        with m.If(owed.answer):
            m.d.comb += [out.valid.eq(1), out.p.kind.eq(owed.kind)]
            with m.Switch(owed.kind):
                with m.Case(int(FromBoard.VALUE)):
                    m.d.comb += [
                        out.p.length.eq(6),
                        out.p.payload.eq(Cat(owed.address, owed.value)),
                    ]
                with m.Case(int(FromBoard.DONE)):
                    m.d.comb += [out.p.length.eq(2), out.p.payload.eq(owed.address)]
                with m.Default():
                    m.d.comb += [status.answer.eq(1), out.p.payload.eq(status)]
            with m.If(out.ready):
                m.d.sync += owed.answer.eq(0)
                with m.If(owed.kind == FromBoard.STATUS):
                    m.d.sync += owed.status.eq(0)
        with m.Elif(owed.status):
            m.d.comb += [
                out.valid.eq(1),
                out.p.kind.eq(int(FromBoard.STATUS)),
                out.p.payload.eq(status),
            ]
            with m.If(out.ready):
                m.d.sync += owed.status.eq(0)
        with m.Else():
            m.d.comb += [
                out.valid.eq(self.results.valid),
                out.p.kind.eq(int(FromBoard.RECORD)),
                out.p.length.eq(64),
                out.p.payload.eq(self.results.p),
                self.results.ready.eq(out.ready),
            ]
