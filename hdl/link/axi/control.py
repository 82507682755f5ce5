# SPDX-License-Identifier: Apache-2.0
"""The control port of an Alveo kernel: XRT's handshake ``ap_ctrl_chain``, and the arguments."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.axi.lite import LITE_PORTS, LiteSlave

__all__ = ["ARGUMENTS", "KernelControl"]

#: Arguments: name, byte address, bits.
ARGUMENTS: tuple[tuple[str, int, int], ...] = (
    ("source", 0x10, 64),  # address of a batch, a multiple of 64
    ("target", 0x18, 64),  # address of its answer, a multiple of 64
    ("units", 0x20, 32),  # 16-byte units of the batch; 0 goes on with the one before
    ("room", 0x28, 32),  # 64-byte beats that fit at the target
)
_CONTROL, _GLOBAL, _ENABLED, _STATUS = range(4)
_START, _DONE, _IDLE, _READY, _CONTINUE, _AGAIN = 0, 1, 2, 3, 4, 7


class KernelControl(wiring.Component):
    """Starts a run, tells when it is over, and interrupts.

    Word 0 as XRT expects it: bit 0 starts and reads 1 until the run has taken its arguments, bit 1
    says that it is over until bit 4 is written, bit 2 that none is under way, bit 3 with bit 1 that
    the next may be started, until read. Words 1 to 3 are the interrupt's enable, its sources
    (done, ready) enabled, and pending; a 1 written there takes one back.

    Members
    -------
    those of `LITE_PORTS` : the slave
    start : Out(1)
        A run begins with this cycle; its arguments are `arguments`.
    arguments : Out
        `ARGUMENTS`.
    finished : In(1)
        It is over; one cycle.
    interrupt : Out(1)
        To the host, until taken back.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                **LITE_PORTS,
                "start": Out(1),
                "arguments": Out(data.StructLayout({name: bits for name, _, bits in ARGUMENTS})),
                "finished": In(1),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.lite = lite = LiteSlave()
        for name, member in LITE_PORTS.items():
            outer, inner = getattr(self, name), getattr(lite, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)

        wanted, again, running, done, ready = (
            Signal(name=name) for name in ("wanted", "again", "running", "done", "ready")
        )
        anything, enabled, pending = Signal(), Signal(2), Signal(2)
        bus, words = lite.bus, {}
        for name, address, bits in ARGUMENTS:
            for part in range(bits // 32):
                words[address // 4 + part] = self.arguments[name][32 * part : 32 * part + 32]

        m.d.comb += [
            self.start.eq(wanted & ~running & ~done),
            self.interrupt.eq(anything & pending.any()),
        ]
        written = Signal(2)
        with m.If(bus.w_en):
            with m.Switch(bus.addr):
                with m.Case(_CONTROL):
                    with m.If(bus.w_data[_START]):
                        m.d.sync += wanted.eq(1)
                    with m.If(bus.w_data[_CONTINUE]):
                        m.d.sync += done.eq(0)
                    m.d.sync += again.eq(bus.w_data[_AGAIN])
                with m.Case(_GLOBAL):
                    m.d.sync += anything.eq(bus.w_data[0])
                with m.Case(_ENABLED):
                    m.d.sync += enabled.eq(bus.w_data[:2])
                with m.Case(_STATUS):
                    m.d.comb += written.eq(bus.w_data[:2])
                for at, word in words.items():
                    with m.Case(at):
                        m.d.sync += word.eq(bus.w_data)
        with m.If(bus.r_en):
            with m.Switch(bus.addr):
                with m.Case(_CONTROL):
                    m.d.sync += bus.r_data.eq(
                        Cat(wanted, done, ~running & ~wanted, ready, 0, 0, 0, again)
                    )
                    m.d.sync += ready.eq(0)
                with m.Case(_GLOBAL):
                    m.d.sync += bus.r_data.eq(anything)
                with m.Case(_ENABLED):
                    m.d.sync += bus.r_data.eq(enabled)
                with m.Case(_STATUS):
                    m.d.sync += bus.r_data.eq(pending)
                for at, word in words.items():
                    with m.Case(at):
                        m.d.sync += bus.r_data.eq(word)
                with m.Default():
                    m.d.sync += bus.r_data.eq(0)
        with m.If(self.start):
            m.d.sync += running.eq(1)
        over = self.finished & running
        m.d.sync += pending.eq((pending ^ written) | Mux(over, enabled, 0))
        with m.If(over):
            m.d.sync += [running.eq(0), done.eq(1), ready.eq(1), wanted.eq(again)]
        return m
