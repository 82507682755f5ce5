# SPDX-License-Identifier: Apache-2.0
"""A forest of boosted trees: one sum of leaves for each set of features."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.model.engine import Engine
from hdl.model.loader import Loader
from hdl.model.shape import (
    MOST_SHIFT,
    SCORE_BITS,
    ForestShape,
    ModelStatus,
    features_layout,
    score_layout,
)
from hdl.types import flow

__all__ = ["Forest"]


def add_in_pairs(terms: Sequence[Value]) -> Value:
    """Sum of some numbers, each addition as wide as its result can be."""
    left = list(terms)
    while len(left) > 1:
        left = [sum(left[at + 1 : at + 2], left[at]) for at in range(0, len(left), 2)]
    return left[0]


class Forest(wiring.Component):
    """Add up the leaves that a set of features reaches, one of each tree, and the model's bias.

    ::

        0 to 4 the levels (`hdl.model.engine`)   5 groups of leaves are added   6 the groups

    With more than one phase each engine walks several trees one clock behind another, and the sum
    is kept until the last. Features that come before then are answered without a score and counted;
    with at most two phases that cannot be, since an event is two records at least.

    A model is swapped between two sets of features: the bank travels with the token, so every node,
    leaf and threshold of an answer is of the model named in it.

    Scores are log-odds, so no exponential is needed: a probability to compare with is turned into a
    score by whoever makes the image. The sum is kept in units of a leaf and shifted at the end.

    Latency is ``shape.latency`` cycles, always. Throughput is one evaluation each ``shape.phases``
    cycles. No score can overflow: the shape limits the trees, the loader the bias and the shift.

    Parameters
    ----------
    shape : ForestShape
        Sizes of the forest.

    Members
    -------
    i : In(flow(features_layout))
        Features.
    o : Out(flow(score_layout))
        The score of each, in order; without `scored` while there is no model.
    begin, word, commit, written, features_id, status, words, loaded, refused : see `Loader`
        An image, and what became of it.
    active_model : Out(32)
        Identity of the model in use, 0 for none.
    ready : Out(1)
        There is a model.
    overrun : Out(1)
        One pulse for each set of features that came too early.
    """

    def __init__(self, shape: ForestShape) -> None:
        self.shape = shape
        super().__init__(
            {
                "i": In(flow(features_layout(shape))),
                "o": Out(flow(score_layout())),
                "begin": In(1),
                "word": In(1),
                "commit": In(1),
                "written": In(32),
                "features_id": In(32),
                "status": Out(ModelStatus),
                "words": Out(32),
                "loaded": Out(1),
                "refused": Out(1),
                "active_model": Out(32),
                "ready": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        shape = self.shape
        m.submodules.loader = loader = Loader(shape)
        m.d.comb += [
            loader.begin.eq(self.begin),
            loader.word.eq(self.word),
            loader.commit.eq(self.commit),
            loader.written.eq(self.written),
            loader.features_id.eq(self.features_id),
            self.status.eq(loader.status),
            self.words.eq(loader.words),
            self.loaded.eq(loader.loaded),
            self.refused.eq(loader.refused),
            self.ready.eq(loader.ready),
        ]
        constants = Array([loader.constants[0], loader.constants[1]])
        m.d.comb += self.active_model.eq(Mux(loader.ready, constants[loader.active].model, 0))

        # What the roots on show belong to, and those of the next clock.
        phase, bank, ready = Signal(range(shape.phases)), Signal(), Signal()
        next_phase, next_bank = Signal.like(phase), Signal()
        running = phase != 0
        begins = self.i.valid & ~running
        last = phase == shape.phases - 1
        with m.If((running | begins) & ~last):
            m.d.comb += next_phase.eq(phase + 1)
        stays = next_phase != 0
        m.d.comb += [
            next_bank.eq(Mux(stays, bank, loader.active)),
            self.overrun.eq(self.i.valid & running),
        ]
        m.d.sync += [
            phase.eq(next_phase),
            bank.eq(next_bank),
            ready.eq(Mux(stays, ready, loader.ready)),
        ]

        # Features beside the token in each level; those of the first phase stay for the others.
        lanes = data.ArrayLayout(signed(shape.feature_bits), shape.features)
        first = Signal(lanes)
        beside = [first]
        for level in range(1, shape.depth):
            features = Signal(lanes, name=f"features{level}")
            m.d.sync += features.eq(beside[-1])
            beside.append(features)
        m.d.comb += first.eq(Mux(running, beside[1], self.i.p.features))

        leaves = []
        for number in range(shape.engines):
            m.submodules[f"engine{number}"] = engine = Engine(shape, number)
            m.d.comb += [engine.row.eq(Cat(next_bank, next_phase)), engine.write.eq(loader.write)]
            for level, features in enumerate(beside):
                m.d.comb += engine.features[level].eq(features)
            leaves.append(engine.leaf)

        # A tag goes with each tree of a token, up to the sum.
        tag_layout = data.StructLayout({"first": 1, "last": 1, "bank": 1, "ready": 1})
        tag = Signal(tag_layout)
        m.d.comb += [
            tag.first.eq(begins),
            tag.last.eq((running | begins) & last),
            tag.bank.eq(bank),
            tag.ready.eq(ready),
        ]
        for clock in range(shape.depth + 1):
            later = Signal(tag_layout, name=f"tag{clock + 1}")
            m.d.sync += later.eq(tag)
            tag = later

        # Half of the additions before a register.
        width = 1 << (shape.engines.bit_length() // 2)
        partials = []
        for at in range(0, shape.engines, width):
            group = add_in_pairs(leaves[at : at + width])
            partial = Signal(group.shape(), name=f"partial{at}")
            m.d.sync += partial.eq(group)
            partials.append(partial)
        total = Signal(signed(SCORE_BITS - MOST_SHIFT))
        before = Mux(tag.first, constants[tag.bank].bias, total)
        m.d.sync += total.eq(add_in_pairs([*partials, before]))

        answers, scored, model_bank = Signal(shape.latency), Signal(), Signal()
        m.d.sync += [
            answers.eq(Cat(self.i.valid, answers[:-1])),
            scored.eq(tag.last & tag.ready),
            model_bank.eq(tag.bank),
        ]
        out, asked = self.o.p, constants[model_bank]
        score = Signal(signed(SCORE_BITS))
        m.d.comb += [self.o.valid.eq(answers[-1]), score.eq(total << asked.shift)]
        with m.If(scored):
            m.d.comb += [
                out.scored.eq(1),
                out.score.eq(score),
                out.above.eq(score >= asked.upper),
                out.below.eq(score <= asked.lower),
                out.model.eq(asked.model),
            ]
        return m
