# SPDX-License-Identifier: Apache-2.0
"""The ladders: every side of every book behind one pipeline, one token a clock."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.execute import COUNTS, Execute
from hdl.book.hazards import DEPTH, Hazards
from hdl.book.slots import clear_row, price_to_key, row_layout
from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.types import count_layout, flow, token_layout

__all__ = ["Ladder", "rung_layout"]


def rung_layout(config: BuildConfig) -> data.StructLayout:
    """A row after a token, with the contents of its slots."""
    slots = config.levels + 1
    return data.StructLayout(
        {
            "token": token_layout(config),
            "row": row_layout(config),
            "keys": data.ArrayLayout(config.price_bits, slots),
            "qtys": data.ArrayLayout(config.qty_bits, slots),
            "touched": 1,
        }
    )


class Ladder(wiring.Component):
    """Read a row, compare, execute, write back.

    ::

        0 address   1 row and keys leave the memory   2 compare with the token's key
        3 execute (one row update a clock)            4 write back; slots with what was just written

    The memory a token has read does not yet hold what the four tokens ahead of it write. Their
    keys are compared with its own (`Hazards`) and replace the compare bits of the slots they write,
    and the newest row of the same side replaces the one read: that of the token just ahead as it
    enters stage 3, of the three before as it enters stage 2. Quantities, and the keys to be shown,
    are read a second time two stages later, where only two tokens are missing. So no two tokens
    ever wait for each other, whatever rows they touch.

    Latency is 4 cycles to `o`, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(token_layout))
        Tokens; kinds that are not about levels pass through.
    o : Out(flow(rung_layout))
        The token's row after it.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Rows are swept; tokens may come.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(token_layout(config))),
                "o": Out(flow(rung_layout(config))),
                "counts": Out(count_layout(*COUNTS)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        slots, row_bits = config.levels + 1, (config.rows - 1).bit_length()
        key_shape = data.ArrayLayout(config.price_bits, slots)
        qty_shape = data.ArrayLayout(config.qty_bits, slots)

        m.submodules.rows = rows = SweptMemory(row_layout(config), config.rows, clear_row(config))
        block: dict[str, Any] = {"depth": config.rows, "init": [], "attrs": {"ram_style": "block"}}
        m.submodules.keys = keys = memory.Memory(shape=key_shape, **block)
        m.submodules.shown_keys = shown_keys = memory.Memory(shape=key_shape, **block)
        m.submodules.qtys = qtys = memory.Memory(shape=qty_shape, **block)
        m.submodules.execute = execute = Execute(config)
        m.submodules.hazards = hazards = Hazards(config)
        read_keys, read_shown, read_qtys = (
            keys.read_port(),
            shown_keys.read_port(),
            qtys.read_port(),
        )

        stage_layout = data.StructLayout(
            {"valid": 1, "token": token_layout(config), "addr": row_bits, "key": config.price_bits}
        )
        stage = [Signal(stage_layout, name=f"stage{n}") for n in range(DEPTH)]
        for earlier, later in pairwise(stage):
            m.d.sync += later.eq(earlier)
        m.d.comb += [
            stage[0].valid.eq(self.i.valid),
            stage[0].token.eq(self.i.p),
            stage[0].addr.eq(Cat(self.i.p.side, self.i.p.symbol)),
            stage[0].key.eq(price_to_key(self.i.p.price, self.i.p.side)),
            hazards.valid.eq(stage[0].valid),
            hazards.addr.eq(stage[0].addr),
            hazards.key.eq(stage[0].key),
        ]

        # Stage 3: execute. What it does is still known in the stages after.
        row2, row3 = Signal(row_layout(config)), Signal(row_layout(config))
        keys2 = Signal(key_shape)
        better3, equal3 = Signal(slots), Signal(slots)
        m.d.comb += [
            execute.valid.eq(stage[3].valid),
            execute.token.eq(stage[3].token),
            execute.row.eq(row3),
            execute.better.eq(better3),
            execute.equal.eq(equal3),
            self.counts.eq(execute.counts),
            self.init_done.eq(rows.done),
        ]
        after = {3: execute.after}
        wrote_key = {3: execute.write_key}
        wrote_qty = {3: execute.write_qty}
        touched4 = Signal()
        m.d.sync += touched4.eq(execute.touched)
        for n in (4, 5, 6):
            after[n] = Signal(row_layout(config), name=f"after{n}")
            wrote_key[n] = Signal(slots, name=f"wrote_key{n}")
            wrote_qty[n] = Signal(slots, name=f"wrote_qty{n}")
            m.d.sync += [
                after[n].eq(after[n - 1]),
                wrote_key[n].eq(wrote_key[n - 1]),
                wrote_qty[n].eq(wrote_qty[n - 1]),
            ]

        # Stages 0 to 2: read, compare, and mend what is still under way; the newest wins.
        m.d.comb += [rows.read_addr.eq(stage[0].addr), read_keys.addr.eq(stage[0].addr)]
        m.d.sync += [row2.eq(rows.read_data), keys2.eq(read_keys.data), row3.eq(row2)]
        for n in (5, 4, 3):
            with m.If(hazards.same1[n]):
                m.d.sync += row2.eq(after[n])
        with m.If(hazards.same2[3]):
            m.d.sync += row3.eq(after[3])
        for slot in range(slots):
            m.d.sync += [
                better3[slot].eq(keys2[slot] < stage[2].key),
                equal3[slot].eq(keys2[slot] == stage[2].key),
            ]
            for n in (6, 5, 4, 3):
                with m.If(hazards.same2[n] & wrote_key[n][slot]):
                    m.d.sync += [
                        better3[slot].eq(hazards.better2[n]),
                        equal3[slot].eq(hazards.equal2[n]),
                    ]

        # Stage 4: write back.
        write_rows = stage[4].valid & touched4
        m.d.comb += [
            rows.write_en.eq(write_rows),
            rows.write_addr.eq(stage[4].addr),
            rows.write_data.eq(after[4]),
        ]
        for mem, wrote, value in (
            (keys, wrote_key[4], stage[4].key),
            (shown_keys, wrote_key[4], stage[4].key),
            (qtys, wrote_qty[4], stage[4].token.value),
        ):
            write = mem.write_port(granularity=1)
            m.d.comb += [write.addr.eq(stage[4].addr), write.en.eq(wrote)]
            m.d.comb += [write.data[slot].eq(value) for slot in range(slots)]

        # Stages 2 to 4: the second read, for the view.
        keys4, qtys4 = Signal(key_shape), Signal(qty_shape)
        m.d.comb += [read_shown.addr.eq(stage[2].addr), read_qtys.addr.eq(stage[2].addr)]
        m.d.sync += [keys4.eq(read_shown.data), qtys4.eq(read_qtys.data)]
        for n in (5, 4):
            with m.If(hazards.same3[n]):
                for slot in range(slots):
                    with m.If(wrote_key[n][slot]):
                        m.d.sync += keys4[slot].eq(stage[n].key)
                    with m.If(wrote_qty[n][slot]):
                        m.d.sync += qtys4[slot].eq(stage[n].token.value)
        m.d.comb += [
            self.o.valid.eq(stage[4].valid),
            self.o.p.token.eq(stage[4].token),
            self.o.p.row.eq(after[4]),
            self.o.p.touched.eq(touched4),
        ]
        for slot in range(slots):
            m.d.comb += [
                self.o.p.keys[slot].eq(Mux(wrote_key[4][slot], stage[4].key, keys4[slot])),
                self.o.p.qtys[slot].eq(
                    Mux(wrote_qty[4][slot], stage[4].token.value[: config.qty_bits], qtys4[slot])
                ),
            ]
        return m
