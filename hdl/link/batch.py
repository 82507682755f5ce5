# SPDX-License-Identifier: Apache-2.0
"""The board's end of a link through memory: batches in, packets out."""

from enum import IntEnum, IntFlag
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.link.clear import ClearAll
from hdl.records import IN_RECORD
from hdl.regs.bank import BANK_BUS

__all__ = [
    "BATCH_BEAT",
    "HEADER",
    "MOST_RECORDS",
    "PACKET_BEAT",
    "TRAILER",
    "TRAILER_KIND",
    "BatchKind",
    "BatchStatus",
    "Batches",
    "quiet_cycles",
]

#: Out records of a packet, at most; its trailer comes on top.
MOST_RECORDS = 255
#: First byte of a trailer; no kind of out record.
TRAILER_KIND = 0xFF


class BatchKind(IntEnum):
    """Kinds of batches."""

    RECORDS = 1
    READ = 2
    WRITE = 3


class BatchStatus(IntFlag):
    """What a trailer says of its batch."""

    DONE = 1
    SHORT = 2
    LONG = 4
    MALFORMED = 8


HEADER = data.StructLayout(
    {"kind": 8, "reserved": 8, "address": 16, "number": 32, "count": 32, "value": 32}
)
TRAILER = data.StructLayout(
    {
        **{"kind": 8, "status": 8, "records": 16, "number": 32, "taken": 32, "value": 32},
        **{"packets": 32, "faults": 32, "reserved": 320},
    }
)
#: 16 bytes of a batch; `torn`: some of them did not come.
BATCH_BEAT = data.StructLayout({"data": 128, "last": 1, "torn": 1})
#: An out record or a trailer; `last` ends a packet, `done` with it the answer.
PACKET_BEAT = data.StructLayout({"data": 512, "last": 1, "done": 1})


class _State(enum.Enum, shape=3):  # type: ignore[call-arg]
    HEADER = 0
    RECORDS = 1
    SKIP = 2  # what is too much is dropped
    CLEAR = 3  # every symbol is made invalid
    READ = 4
    QUIET = 5  # the output ends
    TELL = 6  # the last packet's trailer


def quiet_cycles(config: BuildConfig) -> int:
    """Cycles without output after which everything has come: more than the pipeline's latency.

    With ITCH a packet may hold messages for as long that tell nothing.
    """
    return 2048 if config.itch else 64


class Batches(wiring.Component):
    """Batches of ``docs/batches.md``.

    Throughput is one record a cycle either way; a packet's trailer takes one cycle of the output.
    The answer to a WRITE leaves when the pipeline has been ready for records for a while: in a
    spaced build a commit (`hdl.regs.copier`) has been made by then.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    registers : bool
        READ and WRITE are taken.

    Members
    -------
    i : In(stream(BATCH_BEAT))
        From the host.
    o : Out(stream(PACKET_BEAT))
        To the host.
    records : Out(stream(in record))
        To the pipeline.
    results : In(stream(512))
        From the pipeline.
    bus : Out(BANK_BUS)
        To the registers; idle without `registers`.
    faults : In(32)
        Errors of a memory port so far.
    busy : Out(1)
        A batch has begun and its answer has not left.
    """

    def __init__(self, config: BuildConfig, registers: bool = False) -> None:
        self.config, self.registers = config, registers
        super().__init__(
            {
                "i": In(stream.Signature(BATCH_BEAT)),
                "o": Out(stream.Signature(PACKET_BEAT)),
                "records": Out(stream.Signature(IN_RECORD.layout())),
                "results": In(stream.Signature(512)),
                "bus": Out(BANK_BUS),
                "faults": In(32),
                "busy": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.clear = clear = ClearAll(self.config.symbols)
        quiet_for = quiet_cycles(self.config)
        state, quiet = Signal(_State), Signal(range(quiet_for + 1))
        left, known = Signal(32), Signal()
        header: Any = Signal(HEADER)
        trailer: Any = Signal(TRAILER)
        beat, status = self.i.p, trailer.status
        in_table = header.address[len(self.bus.addr) :] == 0

        def ends_with(fault: BatchStatus) -> None:
            """The batch is wrong; what is left of it is dropped."""
            m.d.sync += [
                status.eq(status | int(fault)),
                state.eq(Mux(beat.last, _State.CLEAR, _State.SKIP)),
            ]

        m.d.comb += [
            header.eq(beat.data),
            self.busy.eq(state != _State.HEADER),
            self.records.p.eq(beat.data),
            self.bus.addr.eq(header.address[: len(self.bus.addr)]),
            self.bus.w_data.eq(header.value),
            clear.o.ready.eq(self.records.ready),
        ]
        with m.Switch(state):
            with m.Case(_State.HEADER):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [left.eq(header.count), known.eq(in_table), quiet.eq(0), status.eq(0)]
                with m.If(self.i.valid):
                    m.d.sync += [trailer.number.eq(header.number), trailer.taken.eq(0)]
                    m.d.sync += trailer.value.eq(0)
                    one, whole = header.count == 0, beat.last & ~beat.torn
                    with m.If(beat.torn):
                        ends_with(BatchStatus.MALFORMED)
                    with m.Elif(header.kind == int(BatchKind.RECORDS)):
                        m.d.sync += state.eq(Mux(one, _State.QUIET, _State.RECORDS))
                        with m.If(~one & beat.last):
                            ends_with(BatchStatus.SHORT)
                        with m.If(one & ~beat.last):
                            ends_with(BatchStatus.LONG)
                    with m.Elif(self._is_access(header) & one & whole):
                        writes = header.kind == int(BatchKind.WRITE)
                        m.d.comb += [
                            self.bus.w_en.eq(in_table & writes),
                            self.bus.r_en.eq(in_table & ~writes),
                        ]
                        m.d.sync += state.eq(Mux(writes, _State.QUIET, _State.READ))
                    with m.Else():
                        ends_with(BatchStatus.MALFORMED)
            with m.Case(_State.RECORDS):
                m.d.comb += [
                    self.records.valid.eq(self.i.valid & ~beat.torn),
                    self.i.ready.eq(self.records.ready | beat.torn),
                ]
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += [left.eq(left - 1), trailer.taken.eq(trailer.taken + ~beat.torn)]
                    with m.If(beat.torn | (beat.last & (left != 1))):
                        ends_with(BatchStatus.SHORT)
                    with m.Elif((left == 1) & ~beat.last):
                        ends_with(BatchStatus.LONG)
                    with m.Elif(beat.last):
                        m.d.sync += state.eq(_State.QUIET)
            with m.Case(_State.SKIP):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & beat.last):
                    m.d.sync += state.eq(_State.CLEAR)
            with m.Case(_State.CLEAR):
                m.d.comb += [
                    clear.enable.eq(1),
                    self.records.valid.eq(1),
                    self.records.p.eq(clear.o.p),
                ]
                with m.If(clear.done):
                    m.d.sync += state.eq(_State.QUIET)
            with m.Case(_State.READ):
                m.d.sync += trailer.value.eq(Mux(known, self.bus.r_data, 0))
                m.d.sync += state.eq(_State.QUIET)
            with m.Case(_State.QUIET):
                m.d.sync += quiet.eq(quiet + 1)
                with m.If(self.results.valid | ~self.records.ready):
                    m.d.sync += quiet.eq(0)
                with m.If(quiet == quiet_for):
                    m.d.sync += state.eq(_State.TELL)
        self._tell(m, state, trailer)
        return m

    def _is_access(self, header: data.View) -> Value:
        """Whether a batch reads or writes a register and may."""
        if not self.registers:
            return Value.cast(0)
        return (header.kind == int(BatchKind.READ)) | (header.kind == int(BatchKind.WRITE))

    def _tell(self, m: Module, state: Signal, trailer: data.View) -> None:
        """Results, and behind the last of a packet its trailer."""
        full, done, told = Signal(), Signal(), Signal(range(MOST_RECORDS + 1))
        shown, last = Signal.like(trailer), Signal.like(trailer)
        # What is offered stays as it is, whatever comes meanwhile.
        with m.If((state == _State.TELL) & ~self.results.valid & ~full):
            m.d.sync += done.eq(1)
        with m.If(~full & ~done):
            m.d.sync += [shown.eq(trailer), shown.faults.eq(self.faults)]
        m.d.comb += [
            full.eq(told == MOST_RECORDS),
            last.eq(shown),
            last.kind.eq(TRAILER_KIND),
            last.status.eq(Cat(done, shown.status[1:])),
            last.records.eq(told),
        ]
        with m.If(full | done):
            m.d.comb += [
                self.o.valid.eq(1),
                self.o.p.data.eq(last),
                self.o.p.last.eq(1),
                self.o.p.done.eq(done),
            ]
            with m.If(self.o.ready):
                m.d.sync += [told.eq(0), trailer.packets.eq(trailer.packets + 1)]
                with m.If(done):
                    m.d.sync += [done.eq(0), state.eq(_State.HEADER)]
        with m.Else():
            m.d.comb += [
                self.o.valid.eq(self.results.valid),
                self.o.p.data.eq(self.results.p),
                self.results.ready.eq(self.o.ready),
            ]
            with m.If(self.results.valid & self.o.ready):
                m.d.sync += told.eq(told + 1)
