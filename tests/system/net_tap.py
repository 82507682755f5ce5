# SPDX-License-Identifier: Apache-2.0
"""The UDP receiver alone in a simulated board: frames in, beats of payloads and counters out."""

import numpy as np
from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import fifo, wiring

from hdl.config import BuildConfig
from hdl.net.beat import BEAT_BYTES
from hdl.net.receiver import Receiver
from hdl.net.registers import DROPS
from hdl.top import CORE_PORTS
from sim.board import Board
from sim.build import Design
from sim.reference_lines import Filter, receive
from tests.unit.net_frames import GROUP, PORT, STATION, number

__all__ = ["COUNTERS", "FILTERS", "FRAME_BYTES", "ReceiverBench", "Tap"]

FRAME_BYTES = 256
FILTERS = [
    Filter(number(GROUP), PORT, 7),
    Filter(number(GROUP), PORT + 1, 8),
    Filter(number("224.0.0.9"), PORT, 9),
]
COUNTERS = ("frames", "packets", *(f"drop_{name}" for name, _ in DROPS))
COUNTERS_AT = 0x800
#: Room for what is under way when the input is held up.
_QUEUE, _FREE = 64, 32
#: Cycles within which the receiver must be as after reset when its input ends.
_REST_CYCLES = 11
#: Beats of 16 bytes sent at a time: the board bounds what may come back for them.
_CHUNK = 4000


class Tap(wiring.Component):
    """A frame is a beat with its length and its mark, and beats of its bytes, two words each."""

    def __init__(self, config):
        super().__init__(CORE_PORTS)

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = Receiver(FRAME_BYTES)
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=96, depth=_QUEUE)
        left, error, high = Signal(32), Signal(), Signal()
        is_head, last = left == 0, left <= BEAT_BYTES
        goes = Signal()
        m.d.comb += [
            goes.eq(self.s_tvalid & (queue.level < _QUEUE - _FREE)),
            receiver.i.valid.eq(goes & ~is_head),
            receiver.i.p.data.eq(self.s_tdata.word_select(high, 64)),
            receiver.i.p.count.eq(Mux(last, left, BEAT_BYTES)),
            receiver.i.p.last.eq(last),
            receiver.i.p.error.eq(error & last),
            self.s_tready.eq((queue.level < _QUEUE - _FREE) & (is_head | last | high)),
            receiver.mac.eq(number(STATION)),
            receiver.mac_check.eq(1),
        ]
        with m.If(goes & is_head):
            m.d.sync += [left.eq(self.s_tdata[:32]), error.eq(self.s_tdata[32]), high.eq(0)]
        with m.Elif(goes):
            m.d.sync += [left.eq(Mux(last, 0, left - BEAT_BYTES)), high.eq(~high & ~last)]
        for n, entry in enumerate(FILTERS):
            for name, value in (*entry._asdict().items(), ("on", 1)):
                m.d.comb += receiver.filters[n][name].eq(value)

        out = receiver.o.p
        flags = Cat(out.last, out.error)
        m.d.comb += [
            queue.w_en.eq(receiver.o.valid),
            queue.w_data[:64].eq(out.data),
            queue.w_data[64:72].eq(out.count),
            queue.w_data[72:80].eq(flags),
            queue.w_data[80:88].eq(out.tag),
            self.m_tdata.eq(queue.r_data),
            self.m_tvalid.eq(queue.r_rdy),
            queue.r_en.eq(self.m_tready),
        ]

        lost = Signal()
        m.d.sync += lost.eq(lost | (receiver.o.valid & ~queue.w_rdy))
        values = [Signal(32, name=f"count_{name}") for name in COUNTERS]
        for value, name in zip(values, COUNTERS, strict=True):
            m.d.sync += value.eq(value + receiver.counts[name])
        with m.If(self.reg_r_en):
            m.d.sync += self.reg_r_data.eq(Cat(1, receiver.idle, lost))
            with m.If(self.reg_addr[8:] == COUNTERS_AT >> 8):
                m.d.sync += self.reg_r_data.eq(Array(values)[self.reg_addr[:8]])
        return m


DESIGN = Design(f"{__name__}:Tap", ("hdl", "tests.unit.net_frames", __name__), "net_receiver")


class ReceiverBench:
    """The receiver in a board, and what the reference says of the same frames."""

    def __init__(self, **options):
        self.board = Board(BuildConfig(), design=DESIGN, **options)
        self.expected = dict.fromkeys(COUNTERS, 0)

    def close(self):
        self.board.close()

    def counters(self):
        """Every counter of the receiver."""
        return {name: self.board.read_word(COUNTERS_AT + n) for n, name in enumerate(COUNTERS)}

    def check(self, frames):
        """Frames (bytes, damaged); payloads, marks, tags, counters and rest must be right."""
        told, beats = [], []
        for octets, damaged in frames:
            each = receive(
                octets, damaged, FILTERS, station=number(STATION), frame_bytes=FRAME_BYTES
            )
            self.expected["frames"] += 1
            self.expected[f"drop_{each.drop}" if each.drop else "packets"] += 1
            if each.payload:
                told.append((each.payload, each.tag, each.error))
            beats.append(len(octets).to_bytes(4, "little") + bytes([damaged]) + bytes(11))
            beats.append(octets + bytes(-len(octets) % 16))
        assert list(self._send(b"".join(beats))) == told
        assert self.counters() == self.expected
        assert self.board.protocol_errors == 0

    def _send(self, sent):
        """Payloads with tag and mark; each beat must keep what a payload stream promises."""
        beats = np.frombuffer(sent, np.uint8).reshape(-1, 16)
        parts = [
            self.board.transfer(beats[at : at + _CHUNK]) for at in range(0, len(beats), _CHUNK)
        ]
        self.board.step(_REST_CYCLES)
        assert self.board.read_word(0) == 0b011, "at rest, and no beat was lost in the bench"
        out = np.concatenate(parts)
        begun, first_tag = [], None
        octets = out[:, :11].tobytes()
        for at in range(0, len(octets), 11):
            count, flags, tag = octets[at + 8 : at + 11]
            last = flags & 1
            assert 1 <= count <= BEAT_BYTES and (last or count == BEAT_BYTES)
            assert last or not flags & 2, "a mark comes with the last beat"
            assert not begun or tag == first_tag, "the tag is the same in all beats"
            begun.append(octets[at : at + count])
            first_tag = tag
            if last:
                yield b"".join(begun), tag, bool(flags & 2)
                begun = []
        assert not begun, "every payload ends"
