# SPDX-License-Identifier: Apache-2.0
"""Forests of depth 5 behind registers, Verilated, loaded by the host's own functions.

16 engines each: one tree an engine in 7 cycles, and 128 trees in 8 phases.
"""

import os

import numpy as np
import pytest

from host.model.image import Image
from host.model.load import load_model
from host.model.trees import ModelError
from sim.board import Board
from sim.build import Design
from sim.reference_forest import ForestSizes, Model
from tests.unit.forest_standin import FEATURES, LANES, RECORDS, ForestCore, PhasedCore

STANDIN = "tests.unit.forest_standin"
DESIGNS = {
    name: Design(f"{STANDIN}:{name}", (STANDIN, "hdl", "host.model.image"), "tickgate_core")
    for name in ("ForestCore", "PhasedCore")
}
TREES = {"ForestCore": ForestCore.shape.trees, "PhasedCore": PhasedCore.shape.trees}
LATENCY = {"ForestCore": 7, "PhasedCore": 14}
EVENTS = int(os.environ.get("TICKGATE_FOREST_EVENTS", "20000"))

pytestmark = pytest.mark.slow


def random_image(seed, trees):
    rng = np.random.default_rng(seed)
    scale = 2 ** rng.integers(1, 18, (trees, 31))
    thresholds = np.clip(np.rint(rng.normal(0, 0.5, (trees, 31)) * scale), -131072, 131071)
    upper = int(rng.integers(0, 1 << 20))
    return Image(
        rng.integers(0, FEATURES, (trees, 31)),
        thresholds.astype(np.int64),
        rng.integers(-32768, 32768, (trees, 32)),
        int(rng.integers(-(1 << 20), 1 << 20)),
        int(rng.integers(0, 3)),
        upper,
        -upper,
    )


def random_rows(seed, count):
    rng = np.random.default_rng(seed)
    values = np.rint(rng.normal(0, 0.6, (count, FEATURES)) * 2 ** rng.integers(1, 18, FEATURES))
    values[rng.random(values.shape) < 0.02] = 131071
    values[rng.random(values.shape) < 0.02] = -131072
    return np.clip(values, -131072, 131071).astype(np.int64)


def records_of(rows):
    """Records of 16 bytes with 7 lanes of 18 bits each."""
    padded = np.zeros((len(rows), RECORDS * LANES), np.int64)
    padded[:, :FEATURES] = rows & 0x3FFFF
    lanes = padded.reshape(-1, LANES)
    bits = (lanes[:, :, None] >> np.arange(18)) & 1
    flat = np.zeros((len(lanes), 128), np.uint8)
    flat[:, : 18 * LANES] = bits.reshape(len(lanes), -1)
    return np.packbits(flat, axis=1, bitorder="little")


ANSWER = np.dtype(
    [("score", "<i4"), ("scored", "u1"), ("above", "u1"), ("below", "u1"), ("model", "<u4")]
    + [("latency", "<u2"), ("rest", "V51")]
)


def answers(board, rows):
    out = board.transfer(records_of(rows))
    return np.ascontiguousarray(out).view(ANSWER).reshape(-1)


@pytest.fixture(params=sorted(DESIGNS))
def board(request):
    with Board(design=DESIGNS[request.param], random_init=7) as made:
        made.trees, made.expected_latency = TREES[request.param], LATENCY[request.param]
        yield made


def test_the_whole_forest_equals_the_reference_after_every_swap(board):
    sizes = ForestSizes(board.trees, features=FEATURES)
    rows = random_rows(1, 300)
    before = answers(board, rows)
    assert len(before) == 300 and not before["scored"].any() and not before["score"].any()
    for seed in (1, 2, 3):
        image = random_image(seed, board.trees if seed < 3 else board.trees // 2 - 1)
        load_model(board, image)
        rows = random_rows(seed, EVENTS)
        told = answers(board, rows)
        assert np.array_equal(told["score"], image.scores(rows))
        assert np.array_equal(
            told["above"] - told["below"].astype(int), image.decisions(told["score"])
        )
        assert (told["model"] == image.identity).all() and (told["scored"] == 1).all()
        assert (told["latency"] == board.expected_latency).all()
        model = Model(sizes, tuple(image.words(board.trees).tolist()))
        for row, score in zip(rows[:100].tolist(), told["score"][:100].tolist(), strict=True):
            assert model.score(row).score == score
    assert board.read("model_loads") == 3
    assert board.read("model_refusals") == board.read("model_overruns") == 0


def test_a_refused_image_leaves_the_model_before_in_use(board):
    first = random_image(4, board.trees)
    load_model(board, first)
    words = random_image(5, board.trees).words(board.trees)
    board.write("model_begin", 0)
    for word in words[:-1].tolist():
        board.write("model_data", word)
    board.write("model_commit", 0)
    for _ in range(2):
        board.read("model_words")
    assert board.read("model_status") == 10
    with pytest.raises(ModelError, match=r"trees: expected at most the \d+ of the board, was 129"):
        load_model(board, random_image(6, 129))
    rows = random_rows(7, 500)
    assert np.array_equal(answers(board, rows)["score"], first.scores(rows))
    assert board.read("model_id") == first.identity
    assert board.read("model_refusals") == 1
