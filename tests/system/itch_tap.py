# SPDX-License-Identifier: Apache-2.0
"""The ITCH feed alone in a simulated board: frames in, its records and counters out."""

import numpy as np
from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring

from hdl.config import BuildConfig
from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.feed import ItchFeed
from hdl.feed.itch.registers import COUNTERS
from hdl.top import CORE_PORTS
from host.contract.records import IN_DTYPE
from sim.board import Board
from sim.build import Design
from sim.reference_itch import ItchReference, ItchSizes

#: Sizes by the name of the factory.
SIZES = {
    "small": ItchConfig(),
    "narrow": ItchConfig(
        symbols=4, width=4, order_sets=16, level_sets=16, level_ways=4, frame_bytes=1024
    ),
    "tiny": ItchConfig(symbols=4, order_sets=16, level_sets=16, level_ways=4, frame_bytes=1024),
    "wide": ItchConfig(
        symbols=4, width=16, order_sets=16, level_sets=16, level_ways=4, frame_bytes=1024
    ),
    "large": ItchConfig(order_sets=1 << 13, order_ways=16, level_sets=1 << 11, level_ways=16),
}
COUNTERS_AT, WRITES_AT = 0x800, 0x900
WRITES = ("restart", "locate", "first", "first_high", "midnight", "midnight_high", "policy")
#: Records of frames sent at a time: the board bounds what may come back for them.
_CHUNK = 1200
#: Cycles within which the feed comes to rest: the locates are swept in 16,384.
_SETTLE_LIMIT = 20_000


class Tap(wiring.Component):
    """A frame is a record of its length and its error mark, and records of its bytes."""

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(CORE_PORTS)

    def elaborate(self, platform):
        m = Module()
        width = self.config.width
        m.submodules.feed = feed = ItchFeed(self.config)
        ready = feed.status[0]
        left, error, part = Signal(32), Signal(), Signal(range(max(2, 16 // width)))
        beat = feed.i.p
        is_head = left == 0
        parts = [self.s_tdata[8 * at : 8 * (at + width)] for at in range(0, 16, width)]
        taken = feed.i.valid & feed.i.ready
        last = left <= width
        m.d.comb += [
            feed.i.valid.eq(self.s_tvalid & ~is_head),
            beat.data.eq(Array(parts)[part]),
            beat.count.eq(Mux(last, left, width)),
            beat.last.eq(last),
            beat.error.eq(error & last),
            self.s_tready.eq(Mux(is_head, ready, taken & (last | (part == 16 // width - 1)))),
            self.m_tdata.eq(feed.o.p),
            self.m_tvalid.eq(feed.o.valid),
            feed.o.ready.eq(self.m_tready),
        ]
        with m.If(self.s_tvalid & is_head & ready):
            m.d.sync += [left.eq(self.s_tdata[:32]), error.eq(self.s_tdata[32]), part.eq(0)]
        with m.If(taken):
            m.d.sync += [left.eq(Mux(last, 0, left - width)), part.eq(part + 1)]
            with m.If(last | (part == 16 // width - 1)):
                m.d.sync += part.eq(0)

        values = [Signal(32, name=f"count_{name}") for name, _ in COUNTERS]
        for value, (name, _) in zip(values, COUNTERS, strict=True):
            m.d.sync += value.eq(value + feed.counts[name])
        with m.If(self.reg_r_en):
            m.d.sync += self.reg_r_data.eq(feed.status)
            with m.If(self.reg_addr[8:] == COUNTERS_AT >> 8):
                m.d.sync += self.reg_r_data.eq(Array(values)[self.reg_addr[:8]])
        writes = {
            name: self.reg_w_en & (self.reg_addr == WRITES_AT + n) for n, name in enumerate(WRITES)
        }
        m.d.sync += [
            feed.restart.eq(writes["restart"]),
            feed.locate_write.eq(writes["locate"]),
            feed.written.eq(self.reg_w_data),
        ]
        for name, target in (
            ("first", feed.first[:32]),
            ("first_high", feed.first[32:]),
            ("midnight", feed.midnight_us[:32]),
            ("midnight_high", feed.midnight_us[32:]),
            ("policy", feed.policy),
        ):
            with m.If(writes[name]):
                m.d.sync += target.eq(self.reg_w_data)
        return m


def small(config):
    return Tap(SIZES["small"])


def narrow(config):
    return Tap(SIZES["narrow"])


def tiny(config):
    return Tap(SIZES["tiny"])


def wide(config):
    return Tap(SIZES["wide"])


def large(config):
    return Tap(SIZES["large"])


def frame_records(octets, error=False):
    """A frame as the tap takes it, shape (n, 16)."""
    head = len(octets).to_bytes(4, "little") + bytes([error]) + bytes(11)
    return np.frombuffer(head + octets + bytes(-len(octets) % 16), np.uint8).reshape(-1, 16)


class Bench:
    """The feed in a board, and its reference, set alike."""

    def __init__(self, size, **options):
        config = SIZES[size]
        design = Design(f"{__name__}:{size}", ("hdl", __name__), f"itch_{size}")
        self.board = Board(BuildConfig(), design=design, idle_cycles=400, **options)
        self.settle()
        names = ("symbols", "qty_bits", "order_sets", "order_ways", "level_sets", "level_ways")
        names += ("frame_bytes", "width")
        self.reference = ItchReference(ItchSizes(**{name: getattr(config, name) for name in names}))

    def write(self, name, value):
        setattr(self.reference, {"midnight": "midnight_us"}.get(name, name), value)
        for at, word in ((name, value & 0xFFFFFFFF), (f"{name}_high", value >> 32)):
            if at in WRITES:
                self.board.write_word(WRITES_AT + WRITES.index(at), word)

    def select(self, locate, symbol, on=True):
        word = on << 31 | symbol << 16 | locate
        self.reference.select(word)
        self.board.write_word(WRITES_AT + WRITES.index("locate"), word)

    def restart(self):
        self.reference.restart()
        self.board.write_word(WRITES_AT + WRITES.index("restart"), 1)
        self.board.step(4)
        self.settle()

    def settle(self):
        """Wait until frames are taken."""
        last = self.board.cycles + _SETTLE_LIMIT
        while not self.board.read_word(0) & 1:
            assert self.board.cycles < last, "expected the feed to come to rest, was held up"
            self.board.step(64)

    def counters(self):
        values = {
            name: self.board.read_word(COUNTERS_AT + n) for n, (name, _) in enumerate(COUNTERS)
        }
        return {name: value for name, value in values.items() if value}

    def send(self, frames):
        """Frames, each bytes or (bytes, error); the records of the board."""
        pairs = [(frame, False) if isinstance(frame, bytes) else frame for frame in frames]
        out, held, size = [], [], 0
        for octets, error in pairs:
            held.append(frame_records(octets, error))
            size += len(held[-1])
            if size > _CHUNK:
                out.append(self.board.transfer(np.concatenate(held)))
                held, size = [], 0
        if held:
            out.append(self.board.transfer(np.concatenate(held)))
        rows = np.concatenate(out) if out else np.empty((0, 64), np.uint8)
        return np.ascontiguousarray(rows[:, :16]).view(IN_DTYPE).reshape(-1)

    def check(self, frames):
        """Both take the frames; records and counters must agree."""
        actual = self.send(frames)
        expected = []
        for frame in frames:
            octets, error = (frame, False) if isinstance(frame, bytes) else frame
            expected += self.reference.frame(octets, error)
        expected = np.array(expected, IN_DTYPE)
        same = min(len(actual), len(expected))
        wrong = np.flatnonzero(actual[:same] != expected[:same])
        assert not len(wrong), (
            f"record {wrong[0]}: expected {expected[wrong[0] - 2 : wrong[0] + 3]}, "
            f"was {actual[wrong[0] - 2 : wrong[0] + 3]}"
        )
        assert len(actual) == len(expected)
        assert self.counters() == {k: v for k, v in self.reference.counters.items() if v}
        assert self.board.protocol_errors == 0
        return actual
