# SPDX-License-Identifier: Apache-2.0
"""The trade window: for each symbol a ring of buckets of volume, or of notional."""

from itertools import pairwise

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import block_ram

__all__ = ["BUCKETS", "Window"]

BUCKETS = 8
_BITS = (BUCKETS - 1).bit_length()


class Window(wiring.Component):
    """Empty the buckets that time has left behind, add a trade to its own, sum up.

    ::

        0 address, distance   1 the row leaves the memory; which of its buckets are still inside
        2 empty, add (one row a clock), write back   3 sums

    Place n of a row is the bucket whose number is n modulo 8, of those up to the last trade's.
    Which of them are inside the window follows from numbers that are known before the row is
    needed, so that only a choice and an addition stand in its loop. The memory lacks the rows of
    the two tokens ahead; they are forwarded. It is not swept: `fresh` says that nothing in a row
    counts.

    Latency is 4 cycles, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    bits : int, optional
        Width of a bucket, by default of a quantity; one holds no more.
    sides : int
        1 to keep one sum, 2 for one of each side.

    Members
    -------
    trade : In(1)
        The token is a trade.
    symbol, side, qty : In
        Of the token; `qty` is what is added up.
    bucket, last : In(64)
        Number of its bucket, and of that of the symbol's last trade before it.
    fresh : In(1)
        There was no such trade, or its buckets do not count.
    volumes : Out
        Sums of each side in the window, the token included.
    """

    def __init__(self, config: BuildConfig, bits: int | None = None, sides: int = 2) -> None:
        self.config, self.sides = config, sides
        self.bits = config.qty_bits if bits is None else bits
        super().__init__(
            {
                "trade": In(1),
                "symbol": In(8),
                "side": In(1),
                "qty": In(self.bits),
                "bucket": In(64),
                "last": In(64),
                "fresh": In(1),
                "volumes": Out(data.ArrayLayout(self.bits + _BITS, sides)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        qty_bits = self.bits
        ring = data.ArrayLayout(data.ArrayLayout(qty_bits, BUCKETS), self.sides)
        spaced = self.config.spaced
        m.submodules.rows = rows = memory.Memory(
            shape=ring,
            depth=self.config.symbols,
            init=[],
            attrs=block_ram(forwarded=True) if spaced else {},
        )
        read, write = rows.read_port(), rows.write_port()

        # Stage 0.
        names = {"trade": 1, "symbol": 8, "side": 1, "qty": qty_bits}
        stage = [Signal(data.StructLayout(names), name=f"stage{n}") for n in range(4)]
        place = [Signal(_BITS, name=f"place{n}") for n in range(3)]
        distance, fresh = Signal(64), Signal()
        m.d.comb += [stage[0][name].eq(getattr(self, name)) for name in names]
        m.d.comb += [place[0].eq(self.bucket[:_BITS]), read.addr.eq(self.symbol[: len(read.addr)])]
        m.d.sync += [later.eq(earlier) for earlier, later in pairwise(stage)]
        m.d.sync += [later.eq(earlier) for earlier, later in pairwise(place)]
        m.d.sync += [distance.eq(self.bucket - self.last), fresh.eq(self.fresh)]

        # Stage 1: the bucket `back` before the token's own still counts if the last trade's is not
        # further back than it.
        row, after, after3 = Signal(ring), Signal(ring), Signal(ring)
        inside = Signal(BUCKETS)
        far = fresh | distance[_BITS:].any()
        for at in range(BUCKETS):
            back = Signal(_BITS, name=f"back{at}")
            m.d.comb += back.eq(place[1] - at)
            m.d.sync += inside[at].eq(~far & (back >= distance[:_BITS]))
        m.d.sync += row.eq(read.data)
        for n, wrote in () if spaced else ((3, after3), (2, after)):
            with m.If(stage[n].trade & (stage[n].symbol == stage[1].symbol)):
                m.d.sync += row.eq(wrote)

        # Stage 2.
        for side in range(self.sides):
            for at in range(BUCKETS):
                kept, total = Signal(qty_bits), Signal(qty_bits + 1)
                mine = stage[2].trade & (stage[2].side == side) & (place[2] == at)
                m.d.comb += [
                    kept.eq(Mux(inside[at], row[side][at], 0)),
                    total.eq(kept + Mux(mine, stage[2].qty, 0)),
                    after[side][at].eq(total[:qty_bits] | total[qty_bits].replicate(qty_bits)),
                ]
        m.d.comb += [
            write.en.eq(stage[2].trade),
            write.addr.eq(stage[2].symbol[: len(write.addr)]),
            write.data.eq(after),
        ]
        m.d.sync += after3.eq(after)

        # Stage 3.
        def add_up(terms: list[Value]) -> Value:
            half = len(terms) // 2
            return add_up(terms[:half]) + add_up(terms[half:]) if half else terms[0]

        for side in range(self.sides):
            m.d.sync += self.volumes[side].eq(add_up([after3[side][at] for at in range(BUCKETS)]))
        return m
