# SPDX-License-Identifier: Apache-2.0
"""The network behind AXI streams with flat names, as a MAC's ports are."""

from amaranth.hdl import Cat, Const, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.beat import BEAT_BYTES
from hdl.net.network import HELD, SHOWN, Network
from hdl.net.registers import COUNTERS

__all__ = ["COUNTER_VALUES", "NetTop"]

_COUNTER_BITS = 32
#: All counters, one behind the other.
COUNTER_VALUES = data.StructLayout({name: _COUNTER_BITS for name, _ in COUNTERS})


def _bytes_kept(keep: Value) -> Value:
    """Bytes of a beat by its `tkeep`; 0, which no beat may have, when they are not the lowest."""
    count: Value = Const(0, 4)
    for n in range(1, BEAT_BYTES + 1):
        count = Mux(keep == (1 << n) - 1, n, count)
    return count


class NetTop(wiring.Component):
    """`Network` with AXI streams of 64 bits, for benches and for MACs that speak AXI.

    Members
    -------
    a_*, b_* : In
        Frames of the two MACs; there is no `tready`, as they are never held up. `tuser`: damaged.
    tx_* : Out
        Frames to the MAC.
    m_*, x_*, y_* : Out
        The feed, and other payloads of lines A and B. `tuser`: `error`, then the tag.
    r_* : In
        Records to be sent.
    held, shown, restart, counters
        Registers, the strobe, and the counters' values, saturating.
    """

    def __init__(self, **sizes: int) -> None:
        self.network = Network(**sizes)
        ports = {"held": In(HELD.size), "shown": Out(SHOWN.size), "restart": In(1)}
        ports["counters"] = Out(COUNTER_VALUES.size)
        ports |= {"r_tdata": In(512), "r_tvalid": In(1), "r_tready": Out(1)}
        beat = {"tdata": 64, "tkeep": 8, "tvalid": 1, "tlast": 1}
        for name in "ab":
            ports |= {f"{name}_{field}": In(bits) for field, bits in beat.items()}
            ports[f"{name}_tuser"] = In(1)
        for name, user in (("tx", 1), ("m", 9), ("x", 9), ("y", 9)):
            ports |= {f"{name}_{field}": Out(bits) for field, bits in beat.items()}
            ports |= {f"{name}_tuser": Out(user), f"{name}_tready": In(1)}
        super().__init__(ports)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.network = network = self.network

        def port(name: str, field: str) -> Value:
            return getattr(self, f"{name}_{field}")

        for name, frames in (("a", network.a), ("b", network.b)):
            m.d.comb += [
                frames.valid.eq(port(name, "tvalid")),
                frames.p.data.eq(port(name, "tdata")),
                frames.p.count.eq(_bytes_kept(port(name, "tkeep"))),
                frames.p.last.eq(port(name, "tlast")),
                frames.p.error.eq(port(name, "tuser")),
            ]
        for name, out in (
            ("tx", network.o),
            ("m", network.feed),
            ("x", network.other_a),
            ("y", network.other_b),
        ):
            user = Cat(out.p.error) if name == "tx" else Cat(out.p.error, out.p.tag)
            m.d.comb += [
                out.ready.eq(port(name, "tready")),
                port(name, "tvalid").eq(out.valid),
                port(name, "tdata").eq(out.p.data),
                port(name, "tkeep").eq(Cat(out.p.count > n for n in range(BEAT_BYTES))),
                port(name, "tlast").eq(out.p.last),
                port(name, "tuser").eq(user),
            ]
        values = data.View(COUNTER_VALUES, self.counters)
        for name, _ in COUNTERS:
            with m.If(network.counts[name] & ~values[name].all()):
                m.d.sync += values[name].eq(values[name] + 1)
        m.d.comb += [
            network.i.valid.eq(self.r_tvalid),
            network.i.p.eq(self.r_tdata),
            self.r_tready.eq(network.i.ready),
            network.held.eq(data.View(HELD, self.held)),
            self.shown.eq(network.shown),
            network.restart.eq(self.restart),
        ]
        return m
