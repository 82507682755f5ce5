# SPDX-License-Identifier: Apache-2.0
"""The network, connected: two MACs' frames in, one feed out, decisions out; registers beside it."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_stream
from hdl.net.arbiter import Arbiter
from hdl.net.beat import BEAT, BEAT_BYTES
from hdl.net.packets import PacketQueue
from hdl.net.receiver import Receiver
from hdl.net.registers import COUNTERS, FILTERS, REGISTERS, TX_HEADER
from hdl.net.transmit import Transmit
from hdl.regs.register import Access
from hdl.types import flow

__all__ = ["HELD", "SHOWN", "Network"]

#: Values of the registers that may be written.
HELD = data.StructLayout({r.name: r.bits for r in REGISTERS if r.access is Access.RW})
#: Values of those that may only be read.
SHOWN = data.StructLayout({r.name: r.bits for r in REGISTERS if r.access is Access.RO})


class Network(wiring.Component):
    """Two receivers with the same filters, lines A and B arbitrated, and the transmitter.

    Payloads with the tag of `line_tag` go to the arbiter. All others go, whole, through a queue of
    each line.

    Parameters
    ----------
    slots, slot_bytes : int
        Of the arbiter.
    queue_beats : int
        Depth of the queues of other payloads.
    frame_bytes : int
        Longest frame, a multiple of 8.

    Members
    -------
    a, b : In(flow(BEAT))
        Frames of the two MACs.
    feed : Out(payload_stream(8))
        MoldUDP64 packets of both lines, each message once, or losses.
    other_a, other_b : Out(payload_stream(8))
        Whole payloads of other tags, or losses.
    i : In(stream(512))
        Out records to be sent.
    o : Out(stream(BEAT))
        Frames to the MAC.
    held : In(HELD), shown : Out(SHOWN)
        Registers.
    restart : In(1)
        Strobe of `line_restart`.
    counts : Out
        One pulse for each of `hdl.net.registers.COUNTERS`.
    """

    def __init__(
        self,
        slots: int = 8,
        slot_bytes: int = 2048,
        queue_beats: int = 1024,
        frame_bytes: int = 1520,
    ) -> None:
        self.slots, self.slot_bytes = slots, slot_bytes
        self.queue_beats, self.frame_bytes = queue_beats, frame_bytes
        super().__init__(
            {
                "a": In(flow(BEAT)),
                "b": In(flow(BEAT)),
                "feed": Out(payload_stream(BEAT_BYTES)),
                "other_a": Out(payload_stream(BEAT_BYTES)),
                "other_b": Out(payload_stream(BEAT_BYTES)),
                "i": In(stream.Signature(512)),
                "o": Out(stream.Signature(BEAT)),
                "held": In(HELD),
                "shown": Out(SHOWN),
                "restart": In(1),
                "counts": Out(data.StructLayout({name: 1 for name, _ in COUNTERS})),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        held, counts = self.held, self.counts
        m.submodules.arbiter = arbiter = Arbiter(self.slots, self.slot_bytes)
        m.submodules.transmit = transmit = Transmit()
        for name, frames, line, others in (
            ("a", self.a, arbiter.a, self.other_a),
            ("b", self.b, arbiter.b, self.other_b),
        ):
            m.submodules[f"receiver_{name}"] = receiver = Receiver(self.frame_bytes)
            m.submodules[f"queue_{name}"] = queue = PacketQueue(self.queue_beats)
            wiring.connect(m, wiring.flipped(frames), receiver.i)
            wiring.connect(m, queue.o, wiring.flipped(others))
            m.d.comb += [
                line.valid.eq(receiver.o.valid),
                line.p.eq(receiver.o.p),
                queue.i.valid.eq(receiver.o.valid & (receiver.o.p.tag != held.line_tag)),
                queue.i.p.eq(receiver.o.p),
                receiver.mac.eq(held.net_mac),
                receiver.mac_check.eq(held.net_mac_check),
            ]
            for n in range(FILTERS):
                entry, tag = receiver.filters[n], held[f"net_tag{n}"]
                m.d.comb += [
                    entry.group.eq(held[f"net_group{n}"]),
                    entry.port.eq(held[f"net_port{n}"]),
                    entry.tag.eq(tag[:8]),
                    entry.on.eq(tag[8]),
                ]
            for block, prefix in ((receiver, f"net_{name}_"), (queue, f"net_{name}_")):
                for counter in block.counts.shape().members:
                    m.d.comb += counts[prefix + counter].eq(block.counts[counter])
            per_line = getattr(arbiter, f"counts_{name}")
            for counter in per_line.shape().members:
                m.d.comb += counts[f"line_{name}_{counter}"].eq(per_line[counter])
        for pulses in (arbiter.counts, transmit.counts):
            for counter in pulses.shape().members:
                m.d.comb += counts[counter].eq(pulses[counter])

        wiring.connect(m, arbiter.o, wiring.flipped(self.feed))
        wiring.connect(m, wiring.flipped(self.i), transmit.i)
        wiring.connect(m, transmit.o, wiring.flipped(self.o))
        m.d.comb += [
            arbiter.tag.eq(held.line_tag),
            arbiter.window.eq(held.line_window),
            arbiter.first.eq(held.line_first),
            arbiter.restart.eq(self.restart),
            self.shown.line_expected.eq(arbiter.expected),
            self.shown.line_lost.eq(arbiter.lost),
            transmit.enable.eq(held.tx_enable),
            transmit.batch.eq(held.tx_batch),
            transmit.header.src_mac.eq(held.net_mac),
        ]
        for field in TX_HEADER.members:
            if field != "src_mac":
                m.d.comb += transmit.header[field].eq(held[f"tx_{field}"])
        return m
