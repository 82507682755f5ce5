# SPDX-License-Identifier: Apache-2.0
"""One tree walked a level a clock."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.model.shape import ForestShape, node_layout, write_layout

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Walk one tree: at each level choose a feature, compare it, and so find the next node.

    ::

        clock        0       1       2       3       4       5
        root node ─▶ compare ▶ compare ▶ compare ▶ compare ▶ compare ▶ leaf
                       │ node ▲ │ node ▲  │ node ▲  │ node ▲  │ leaf ▲
                       └──────┘ └──────┘  └──────┘  └──────┘  └──────┘

    The outcome of a level is the last bit of the next node's address, so a level is one mux of the
    features, one compare, and the reading of a small memory with its output in a register. Each
    level has a memory of its own, so another token, of another tree or bank, follows in the next
    clock. Both leaves below the last node are read with it.

    Memories are not swept: a bank is read only once an image has written all of it
    (`hdl.model.loader`).

    Latency is ``depth`` cycles, throughput one tree a cycle.

    Parameters
    ----------
    shape : ForestShape
        Sizes of the forest.
    number : int
        Which engine this is.

    Members
    -------
    row : In
        Bank and phase the token of the *next* clock will walk.
    features : In
        Inputs of the tokens in each level.
    leaf : Out(signed(leaf_bits))
        Where the token of ``depth`` clocks ago has ended.
    write : In(write_layout)
        A word of an image.
    """

    def __init__(self, shape: ForestShape, number: int) -> None:
        self.shape, self.number = shape, number
        lanes = data.ArrayLayout(signed(shape.feature_bits), shape.features)
        super().__init__(
            {
                "row": In(shape.row_bits),
                "features": In(data.ArrayLayout(lanes, shape.depth)),
                "leaf": Out(signed(shape.leaf_bits)),
                "write": In(write_layout(shape)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        shape, write = self.shape, self.write
        layout = node_layout(shape)
        pair = data.ArrayLayout(signed(shape.leaf_bits), 2)
        own = Signal()
        m.d.comb += own.eq(write.engine == self.number)
        written = Signal(layout)
        m.d.comb += [
            written.threshold.eq(write.data[: shape.feature_bits]),
            written.feature.eq(write.data[18 : 18 + shape.feature_index_bits]),
        ]

        def rows(name: str, element: data.Layout, path_bits: int) -> memory.Memory:
            mem = memory.Memory(
                shape=element,
                depth=1 << (shape.row_bits + path_bits),
                init=[],
                attrs={"ram_style": "distributed"},
            )
            m.submodules[name] = mem
            return mem

        row = self.row
        path: Value = Signal(0)
        for level in range(shape.depth):
            mem = rows(f"level{level}", layout, level)
            read, port = mem.read_port(), mem.write_port()
            top = write.place >> level  # 1 for the nodes of this level
            m.d.comb += [
                read.en.eq(1),
                read.addr.eq(Cat(path, row)),
                port.en.eq(own & write.node & (top == 1)),
                port.addr.eq(Cat(write.place[:level], write.row)),
                port.data.eq(written),
            ]
            node = read.data
            chosen = Signal(signed(shape.feature_bits), name=f"chosen{level}")
            right = Signal(name=f"right{level}")
            m.d.comb += [
                chosen.eq(Array(list(self.features[level]))[node.feature]),
                right.eq(chosen > node.threshold),
            ]
            if level == shape.depth - 1:
                leaves = rows("leaves", pair, level)
                leaf_read, leaf_port = leaves.read_port(), leaves.write_port()
                low, high = write.data[: shape.leaf_bits], write.data[16 : 16 + shape.leaf_bits]
                m.d.comb += [
                    leaf_read.en.eq(1),
                    leaf_read.addr.eq(read.addr),
                    leaf_port.en.eq(own & write.leaves),
                    leaf_port.addr.eq(Cat(write.place[:level], write.row)),
                    leaf_port.data.eq(Cat(low, high)),
                ]
                m.d.sync += self.leaf.eq(Mux(right, leaf_read.data[1], leaf_read.data[0]))
                break
            # The way so far, last turn in bit 0, beside the token in the next level.
            turned = Signal(level, name=f"path{level}")
            row_later = Signal(shape.row_bits, name=f"row{level}")
            m.d.sync += row_later.eq(row)
            if level:
                m.d.sync += turned.eq(path)
            path, row = Cat(right, turned), row_later
        return m
