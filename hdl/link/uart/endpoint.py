# SPDX-License-Identifier: Apache-2.0
"""The board's end of the serial link: records, registers, credits, and what a loss does."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.uart.deframe import LOST, Deframer
from hdl.link.uart.frame import Framer
from hdl.link.uart.registers import COUNTERS
from hdl.link.uart.serial import SerialReceiver, SerialSender
from hdl.link.uart.wire import FromBoard, ToBoard
from hdl.records import IN_RECORD, InFlag, InKind
from hdl.regs.bank import BANK_BUS

__all__ = ["QUIET_CYCLES", "UartEndpoint"]

#: Cycles without output after which a FLUSH takes everything to have come: more than the
#: pipeline's latency.
QUIET_CYCLES = 64
_RECORD_BYTES = 16
_STATUS = data.StructLayout(
    {"expected": 8, "answer": 8, "nonce": 32, **{name: 32 for name, _ in COUNTERS}}
)


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
        symbol, asks, quiet = Signal(8), Signal(), Signal(range(QUIET_CYCLES + 1))
        nonce, ended, heard = Signal(32), Signal(), Signal()
        # What is owed to the host, the first first: an answer, a status, a result.
        value, read_step = Signal(32), Signal(2)
        owes_status, owes_answer, answer_kind = Signal(), Signal(), Signal(8)
        address, answer_address = Signal(16), Signal(16)  # of this frame, of the answer owed

        # Bytes of a payload pass through a register of a record and a check.
        m.d.comb += [
            self.records.p.eq(text[: 8 * _RECORD_BYTES]),
            self.bus.addr.eq(address[: len(self.bus.addr)]),
            self.bus.w_data.eq(text[16:48]),
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
                    self.records.valid.eq(1),
                    self.records.p.eq(0),
                    self.records.p.kind.eq(int(InKind.CLEAR)),
                    self.records.p.flags.eq(
                        Mux(asks, int(InFlag.GAP | InFlag.SIDE), int(InFlag.GAP))
                    ),
                    self.records.p.symbol.eq(symbol),
                ]
                with m.If(self.records.ready):
                    m.d.sync += asks.eq(~asks)
                    with m.If(asks):
                        m.d.sync += symbol.eq(symbol + 1)
                    with m.If(asks & (symbol == self.symbols - 1)):
                        m.d.comb += add["uart_invalidated"].eq(1)
                        m.d.sync += [symbol.eq(0), owes_status.eq(1), state.eq(_State.PAYLOAD)]
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
                        m.d.sync += [state.eq(_State.ANSWER), owes_status.eq(1)]
                        m.d.sync += address.eq(text[:16])
                        m.d.sync += read_step.eq(0)
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
                        with m.If(~owes_answer):
                            m.d.comb += self.bus.w_en.eq(in_table)
                            m.d.sync += [
                                owes_answer.eq(1),
                                answer_kind.eq(int(FromBoard.DONE)),
                                answer_address.eq(address),
                                state.eq(_State.KIND),
                            ]
                    with m.Case(int(ToBoard.FLUSH), int(ToBoard.HELLO)):
                        m.d.sync += state.eq(_State.QUIET)
                    with m.Default():
                        m.d.sync += state.eq(_State.KIND)
            with m.Case(_State.READ):
                with m.If(~owes_answer):
                    m.d.sync += [
                        value.eq(Mux(in_table, self.bus.r_data, 0)),
                        owes_answer.eq(1),
                        answer_kind.eq(int(FromBoard.VALUE)),
                        answer_address.eq(address),
                        state.eq(_State.KIND),
                    ]
            with m.Case(_State.QUIET):
                m.d.sync += quiet.eq(quiet + 1)
                with m.If(self.results.valid | ~self.records.ready | ~framer.idle):
                    m.d.sync += quiet.eq(0)
                with m.If((quiet == QUIET_CYCLES) & ~owes_answer & ~self.results.valid):
                    m.d.sync += [
                        owes_answer.eq(1),
                        answer_kind.eq(int(FromBoard.STATUS)),
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
        out = framer.i
        m.d.comb += out.p.length.eq(_STATUS.size // 8)
        with m.If(owes_answer):
            m.d.comb += [out.valid.eq(1), out.p.kind.eq(answer_kind)]
            with m.Switch(answer_kind):
                with m.Case(int(FromBoard.VALUE)):
                    m.d.comb += [out.p.length.eq(6), out.p.payload.eq(Cat(answer_address, value))]
                with m.Case(int(FromBoard.DONE)):
                    m.d.comb += [out.p.length.eq(2), out.p.payload.eq(answer_address)]
                with m.Default():
                    m.d.comb += [status.answer.eq(1), out.p.payload.eq(status)]
            with m.If(out.ready):
                m.d.sync += owes_answer.eq(0)
                with m.If(answer_kind == FromBoard.STATUS):
                    m.d.sync += owes_status.eq(0)
        with m.Elif(owes_status):
            m.d.comb += [
                out.valid.eq(1),
                out.p.kind.eq(int(FromBoard.STATUS)),
                out.p.payload.eq(status),
            ]
            with m.If(out.ready):
                m.d.sync += owes_status.eq(0)
        with m.Else():
            m.d.comb += [
                out.valid.eq(self.results.valid),
                out.p.kind.eq(int(FromBoard.RECORD)),
                out.p.length.eq(64),
                out.p.payload.eq(self.results.p),
                self.results.ready.eq(out.ready),
            ]
        return m
