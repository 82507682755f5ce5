# SPDX-License-Identifier: Apache-2.0
"""The forest in RTL against the reference: scores, swaps under traffic, and refusals."""

import pytest

from hdl.model.forest import Forest
from hdl.model.shape import ForestShape, ModelStatus
from sim.reference_forest import ReferenceForest, Score
from tests.unit import forest_words as fw
from tests.unit.simulate import run

SMALL = ForestShape(trees=4, depth=3, features=6, feature_bits=8, leaf_bits=6)
SHAPES = {
    "one engine a tree": SMALL,
    "two phases": ForestShape(trees=6, phases=2, depth=3, features=5, feature_bits=18),
    "four phases": ForestShape(trees=4, phases=4, depth=2, features=2, feature_bits=5),
    "one tree": ForestShape(trees=1, depth=4, features=32, feature_bits=7),
    "depth five": ForestShape(trees=3, depth=5, features=32),
    "depth six, eight phases": ForestShape(trees=8, phases=8, depth=6, features=9, leaf_bits=2),
}

BEGIN, WORD, COMMIT = "begin", "word", "commit"


def image_steps(words, checksum=None):
    """Bus writes of an image."""
    total = fw.checksum(words) if checksum is None else checksum
    return [(BEGIN, 0), *((WORD, word) for word in words), (COMMIT, total)]


class Bench:
    """Drive a forest with bus writes and features at once, a step of each every clock.

    Both are lists with one entry a clock; None is a clock without.
    """

    def __init__(self, shape, writes, vectors):
        self.shape, self.writes, self.vectors = shape, writes, vectors
        self.dut = Forest(shape)
        self.answers = []  # (clock, Score)
        self.statuses = []  # after each clock
        self.pulses = {"loaded": 0, "refused": 0, "overrun": 0}
        run(self.dut, self._drive)

    async def _drive(self, ctx):
        dut, length = self.dut, max(len(self.writes), len(self.vectors))
        ctx.set(dut.features_id, fw.FEATURES_ID)
        for clock in range(length + self.shape.latency + 4):
            write = self.writes[clock] if clock < len(self.writes) else None
            vector = self.vectors[clock] if clock < len(self.vectors) else None
            for name in (BEGIN, WORD, COMMIT):
                ctx.set(getattr(dut, name), write is not None and write[0] == name)
            ctx.set(dut.written, 0x5A5A5A5A if write is None else write[1])
            ctx.set(dut.i.valid, vector is not None)
            if vector is not None:
                ctx.set(dut.i.p, {"features": vector})
            if ctx.get(dut.o.valid):
                told = ctx.get(dut.o.p)
                fields = (told.scored, told.score, told.above, told.below, told.model)
                self.answers.append((clock, Score(*(int(field) for field in fields))))
            for name in self.pulses:
                self.pulses[name] += ctx.get(getattr(dut, name))
            await ctx.tick()
            self.statuses.append(ModelStatus(ctx.get(dut.status)).name)

    def expected(self):
        """Answers by the reference: features are judged by the model in use when they come.

        A swap takes effect two clocks after its commit.
        """
        reference = ReferenceForest(fw.sizes_of(self.shape), fw.FEATURES_ID)
        models, answers, busy_until = [None, None], [], -1
        length = max(len(self.writes), len(self.vectors))
        for clock in range(length):
            vector = self.vectors[clock] if clock < len(self.vectors) else None
            if vector is not None:
                early = clock < busy_until
                if not early:
                    busy_until = clock + self.shape.phases
                model = models[-2]
                score = Score() if early or model is None else model.score(vector)
                answers.append((clock + self.shape.latency, score))
            write = self.writes[clock] if clock < len(self.writes) else None
            if write is not None:
                kind, value = write
                reference.begin() if kind == BEGIN else getattr(reference, kind)(value)
            models.append(reference.active)
        self.reference = reference
        return answers


def spaced(vectors, shape, rng=None):
    """One set of features every `phases` clocks, with random clocks more between them."""
    out = []
    for vector in vectors:
        gap = shape.phases - 1 + (rng.choice([0, 0, 1, 3]) if rng else 0)
        out += [vector, *[None] * gap]
    return out


@pytest.mark.parametrize("name", SHAPES)
def test_scores_equal_the_reference_while_models_are_swapped(name):
    shape, rng = SHAPES[name], fw.rng_of(name)
    sizes = fw.sizes_of(shape)
    writes = []
    for number in range(1, 5):
        writes += image_steps(fw.random_model(rng, sizes, number))
        writes += [None] * rng.choice([0, 0, 1, 7])
    count = (len(writes) + 60) // (shape.phases + 1)
    vectors = spaced([fw.random_vector(rng, sizes) for _ in range(count)], shape, rng)
    bench = Bench(shape, writes, vectors)
    assert bench.answers == bench.expected()
    assert {answer.model for _, answer in bench.answers} == {0, 1, 2, 3, 4}
    assert bench.pulses == {"loaded": 4, "refused": 0, "overrun": 0}
    assert len({answer.score for _, answer in bench.answers}) > 5
    assert {answer.above for _, answer in bench.answers} == {False, True}


@pytest.mark.parametrize("name", SHAPES)
def test_the_latency_is_the_one_stated_and_every_clock_or_phase_takes_features(name):
    shape, rng = SHAPES[name], fw.rng_of(2)
    sizes = fw.sizes_of(shape)
    assert shape.latency == shape.depth + 1 + shape.phases
    writes = image_steps(fw.random_model(rng, sizes, 7))
    vectors = [None] * (len(writes) + 3)
    vectors += spaced([fw.random_vector(rng, sizes) for _ in range(50)], shape)
    bench = Bench(shape, writes, vectors)
    assert bench.answers == bench.expected()
    assert [clock for clock, _ in bench.answers] == [
        clock + shape.latency for clock, vector in enumerate(vectors) if vector is not None
    ]
    assert all(answer.scored for _, answer in bench.answers)


def test_features_of_128_trees_of_depth_5_are_scored_in_7_cycles():
    assert ForestShape().latency == 7
    assert ForestShape(phases=2).latency == 8


@pytest.mark.parametrize("name", ["two phases", "four phases", "depth six, eight phases"])
def test_features_that_come_too_early_are_told_and_disturb_no_others(name):
    shape, rng = SHAPES[name], fw.rng_of(3)
    sizes = fw.sizes_of(shape)
    writes = image_steps(fw.random_model(rng, sizes, 7))
    vectors = [None] * (len(writes) + 3)
    for _ in range(300):
        vectors.append(fw.random_vector(rng, sizes) if rng.random() < 0.6 else None)
    bench = Bench(shape, writes, vectors)
    expected = bench.expected()
    assert bench.answers == expected
    early = sum(not answer.scored for _, answer in expected)
    assert bench.pulses["overrun"] == early > 20


@pytest.mark.parametrize("apart", range(8))
def test_a_swap_beside_features_at_every_distance_gives_one_model_or_the_other(apart):
    """The next image follows at once, and all of its words differ from the one before."""
    shape = SHAPES["two phases"]
    sizes, rng = fw.sizes_of(shape), fw.rng_of(apart)
    writes = [None] * apart
    for number in range(1, 4):
        writes += image_steps(fw.random_model(rng, sizes, number))
    vectors = spaced([fw.random_vector(rng, sizes) for _ in range(len(writes) // 2)], shape)
    bench = Bench(shape, writes, vectors)
    assert bench.answers == bench.expected()


def test_before_a_first_model_nothing_is_scored_whatever_the_memories_hold():
    shape, rng = SMALL, fw.rng_of(4)
    vectors = [fw.random_vector(rng, fw.sizes_of(shape)) for _ in range(20)]
    bench = Bench(shape, [], vectors)
    assert [answer for _, answer in bench.answers] == [Score()] * 20


def broken(words, at, flip):
    return [*words[:at], words[at] ^ flip, *words[at + 1 :]]


def refusals():
    """Images that must be refused, each with its name; made from a good one."""
    good = fw.random_model(fw.rng_of(5), fw.sizes_of(SMALL), 9)
    tree = 24
    leaves = tree + 7
    yield "magic", "MAGIC", image_steps(broken(good, 0, 1))
    yield "format", "FORMAT", image_steps(broken(good, 1, 3))
    yield "trees", "SHAPE", image_steps(broken(good, 2, 1))
    yield "depth", "SHAPE", image_steps(broken(good, 2, 1 << 16))
    yield "features", "SHAPE", image_steps(broken(good, 2, 1 << 24))
    yield "feature list", "FEATURES", image_steps(broken(good, 3, 1 << 31))
    for at in (4, 15, 21, 23):
        yield f"word {at}", "RESERVED", image_steps(broken(good, at, 1 << at))
    yield "shift", "RANGE", image_steps([*good[:20], 8, *good[21:]])
    yield "bias above", "RANGE", image_steps([*good[:16], 1 << 23, *good[17:]])
    yield "bias below", "RANGE", image_steps([*good[:16], 0xFF7FFFFF, *good[17:]])
    yield "feature 6 of 6", "NODE", image_steps([*good[:tree], 6 << 18, *good[tree + 1 :]])
    yield "feature 7 of 6", "NODE", image_steps([*good[:tree], 7 << 18, *good[tree + 1 :]])
    yield "node's top bit", "RESERVED", image_steps(broken(good, tree + 3, 1 << 31))
    yield "node's bit 21", "RESERVED", image_steps(broken(good, tree + 3, 1 << 21))
    yield "threshold's bit 8", "RESERVED", image_steps(broken(good, tree, 1 << 8))
    yield "leaf's bit 6", "RESERVED", image_steps(broken(good, leaves, 1 << 6))
    yield "leaf's bit 31", "RESERVED", image_steps(broken(good, leaves + 3, 1 << 31))
    yield "too short", "LENGTH", image_steps(good[:-1])
    yield "header alone", "LENGTH", image_steps(good[:24])
    yield "nothing", "LENGTH", image_steps([])
    yield "too long", "LENGTH", image_steps([*good, 0])
    yield "checksum", "CHECKSUM", image_steps(good, fw.checksum(good) ^ 1 << 17)
    yield "a leaf changed", "CHECKSUM", image_steps(broken(good, leaves, 1), fw.checksum(good))
    swapped = [*good[:tree], good[tree + 1], good[tree], *good[tree + 2 :]]
    yield "two words changed places", "CHECKSUM", image_steps(swapped, fw.checksum(good))
    yield "a word without a beginning", "ORDER", [(WORD, 0x54474D31)]
    yield "a commit without a beginning", "ORDER", [(COMMIT, 0)]
    yield "committed twice", "ORDER", [*image_steps(good), (COMMIT, fw.checksum(good))]
    yield "a word after the commit", "ORDER", [*image_steps(good), (WORD, 0)]


REFUSALS = {name: (status, steps) for name, status, steps in refusals()}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_malformed_image_is_refused_by_name_and_changes_nothing(name):
    status, bad = REFUSALS[name]
    sizes, rng = fw.sizes_of(SMALL), fw.rng_of(6)
    first, second = (fw.random_model(rng, sizes, number) for number in (1, 2))
    before = [] if status == "ORDER" and len(bad) == 1 else image_steps(first)
    writes = [*before, *bad, None, None, *image_steps(second)]
    vectors = [fw.random_vector(rng, sizes) for _ in range(len(writes) + 20)]
    bench = Bench(SMALL, writes, vectors)
    assert bench.answers == bench.expected()
    assert bench.statuses[len(before) + len(bad)] == status
    assert bench.reference.refusals == bench.pulses["refused"] == 1
    assert bench.statuses[-1] == "ACCEPTED"
    models = {answer.model for _, answer in bench.answers}
    assert models == {0, 1, 2} - ({1} if not before else set()) | (
        {9} if "commit" in name and "without" not in name else set()
    )


def test_an_image_given_up_for_another_counts_as_refused():
    sizes, rng = fw.sizes_of(SMALL), fw.rng_of(7)
    good = fw.random_model(rng, sizes, 3)
    bench = Bench(SMALL, [*image_steps(good)[:40], *image_steps(good)], [])
    bench.expected()
    assert bench.pulses == {"loaded": 1, "refused": 1, "overrun": 0}
    assert bench.reference.refusals == 1
    assert bench.statuses[-1] == "ACCEPTED"


@pytest.mark.parametrize("sign", [1, -1])
def test_the_greatest_scores_do_not_wrap(sign):
    """By hand: every leaf, the bias and the shift at their ends."""
    shape = ForestShape(trees=4, depth=2, features=2, feature_bits=4, leaf_bits=16)
    sizes = fw.sizes_of(shape)
    most = 32767 if sign > 0 else -32768
    bias = (1 << 23) - 1 if sign > 0 else -(1 << 23)
    words = fw.header(sizes, bias=bias, model=5, shift=7)
    pair = fw.leaf_pair(sizes, most, most)
    words += 4 * ([fw.node(sizes, 1, -8)] * 3 + [pair] * 2)
    steps = image_steps(words)
    bench = Bench(shape, steps, [None] * (len(steps) + 2) + [[0, 0]])
    score = (bias + 4 * most) * 128
    assert bench.answers[-1][1] == Score(True, score, sign > 0, sign < 0, 5)


def test_shapes_out_of_range_are_refused():
    for name, value in (("trees", 257), ("phases", 9), ("depth", 7), ("features", 33)):
        with pytest.raises(ValueError, match=rf"{name}: expected .* was {value}"):
            ForestShape(**{name: value})
    with pytest.raises(ValueError, match=r"phases: expected a divisor of 128, was 3"):
        ForestShape(phases=3)
