# SPDX-License-Identifier: Apache-2.0
"""The image: its file, its words by the reference, and loading it into a board."""

import zlib

import numpy as np
import pytest

from hdl.model import shape as hdl_shape
from hdl.model.registers import REGISTERS
from hdl.signal.catalogue import FEATURES as CATALOGUE
from host.links.base import RegisterFile
from host.model import image as image_module
from host.model.image import Image, feature_list_id
from host.model.load import ModelStatus, load_model
from host.model.quantise import quantise, score_of
from host.model.trees import Forest, Leaf, ModelError, Split
from sim.reference_forest import ForestSizes, Model, ReferenceForest

COUNT = len(CATALOGUE)
SIZES = ForestSizes(trees=8, features=COUNT)


def forest(trees=3, seed=1):
    """Random trees, some of one leaf, some of full depth, a float in every number."""
    rng = np.random.default_rng(seed)

    def node(depth):
        if depth == 5 or rng.random() < 0.2:
            return Leaf(float(rng.normal(0, 0.1)))
        feature, threshold = int(rng.integers(COUNT)), float(rng.normal(0, 3000))
        return Split(feature, threshold, node(depth + 1), node(depth + 1), rng.random() < 0.5)

    return Forest(tuple(node(0) for _ in range(trees)), -0.25, COUNT, (), "test")


def rows(count=300, seed=2):
    return np.rint(np.random.default_rng(seed).normal(0, 4000, (count, COUNT))).astype(np.int64)


class Fabric(RegisterFile):
    """Registers of a board with a forest, on the reference."""

    def __init__(self, sizes=SIZES, shape=None, features=None):
        super().__init__()
        self.reference = ReferenceForest(sizes, feature_list_id())
        code = sizes.trees | sizes.depth << 16 | sizes.features << 24
        self.shape = code if shape is None else shape
        self.features = feature_list_id() if features is None else features
        self.flip = None

    def read_word(self, address):
        raise AssertionError("unused")

    write_word = read_word

    def read(self, name):
        active, status = self.reference.active, self.reference.status
        return {
            "model_shape": self.shape,
            "model_features": self.features,
            "model_status": hdl_shape.ModelStatus[status].value,
            "model_words": 0,
            "model_id": active.words[19] if active else 0,
        }[name]

    def write(self, name, value):
        step = {"model_begin": "begin", "model_data": "word", "model_commit": "commit"}[name]
        if step == "begin":
            self.reference.begin()
        else:
            if self.flip is not None and step == "word" and len(self.reference._words) == self.flip:
                value ^= 1
            getattr(self.reference, step)(value)


def test_host_and_fabric_agree_on_the_format():
    status = {each.name: each.value for each in hdl_shape.ModelStatus}
    assert {each.name: each.value for each in ModelStatus} == status
    header = hdl_shape.Header
    own = [image_module._BIAS, image_module._UPPER, image_module._LOWER]
    own += [image_module._MODEL, image_module._SHIFT]
    assert own == [header.BIAS, header.UPPER, header.LOWER, header.MODEL, header.SHIFT]
    assert image_module._HEADER == hdl_shape.HEADER_WORDS
    assert (image_module._MAGIC, image_module._FORMAT) == (hdl_shape.MAGIC, hdl_shape.FORMAT)
    for name in ("BIAS_BITS", "MOST_SHIFT", "MOST_TREES"):
        assert getattr(image_module, name) == getattr(hdl_shape, name)
    names = {register.name for register in REGISTERS}
    assert {"model_begin", "model_data", "model_commit", "model_status"} <= names


def test_the_identity_of_the_feature_list_is_that_of_names_and_formats():
    pairs = [(feature.name, feature.fraction_bits) for feature in CATALOGUE]
    lines = "\n".join(f"{name} {bits}" for name, bits in pairs)
    assert feature_list_id() == zlib.crc32(lines.encode()) == feature_list_id(pairs)
    changed = [(pairs[0][0], pairs[0][1] + 1), *pairs[1:]]
    for other in (pairs[::-1], changed, pairs[:-1]):
        assert feature_list_id(other) != feature_list_id()


@pytest.mark.parametrize("seed", range(5))
def test_the_words_score_in_the_reference_as_the_floats_do(seed):
    source = forest(8, seed)
    image = quantise(source, upper=0.6, lower=0.4)
    model = Model(SIZES, tuple(image.words(8).tolist()))
    events = rows(seed=seed)
    exact = source.log_odds(events.astype(float)) * 65536
    for row, expected, own in zip(events.tolist(), exact, image.scores(events), strict=True):
        told = model.score(row)
        assert told.score == own
        assert abs(told.score - expected) <= 9 * 2**image.shift
        assert told.above == (told.score >= score_of(0.6))
        assert told.below == (told.score <= score_of(0.4))


def test_one_by_hand():
    """x1 <= 10.5 gives 0.25, else -0.25; bias 0.5: scores 0.75 and 0.25, in units of 2^-16."""
    tree = Split(1, 10.5, Leaf(0.25), Leaf(-0.25))
    image = quantise(Forest((tree,), 0.5, COUNT, (), "hand"))
    assert (image.shift, image.bias) == (0, 32768)
    events = np.zeros((4, COUNT), np.int64)
    events[:, 1] = [10, 11, -131072, 131071]
    assert image.scores(events).tolist() == [49152, 16384, 49152, 16384]
    strict = quantise(Forest((Split(1, 10.0, Leaf(0.25), Leaf(-0.25), True),), 0.5, COUNT, (), ""))
    events[:, 1] = [9, 10, -131072, 131071]
    assert strict.scores(events).tolist() == [49152, 16384, 49152, 16384]


@pytest.mark.parametrize(
    ("threshold", "strict", "all_left"),
    [(131071, False, True), (131072, True, True), (float("inf"), False, True)]
    + [(-131072.5, False, False), (-131072, True, False), (float("-inf"), True, False)],
)
def test_a_split_that_no_number_can_take_is_left_out(threshold, strict, all_left):
    deep = Leaf(0.5)
    for _ in range(5):
        deep = Split(0, 0.0, deep, Leaf(0.5))
    tree = Split(2, threshold, deep, Leaf(-0.5), strict)
    tree = tree if all_left else Split(2, threshold, Leaf(-0.5), deep, strict)
    image = quantise(Forest((tree,), 0.0, COUNT, (), "ends"))  # of depth 5 then, not 6
    events = np.zeros((3, COUNT), np.int64)
    events[:, 2] = [-131072, 0, 131071]
    assert image.scores(events).tolist() == [32768] * 3


@pytest.mark.parametrize("greatest", [0.4, 0.6, 3.0, 63.0])
def test_greater_leaves_take_a_coarser_unit(greatest):
    tree = Split(0, 0.0, Leaf(greatest), Leaf(-greatest))
    image = quantise(Forest((tree,), 0.0, COUNT, (), "big"))
    events = np.zeros((1, COUNT), np.int64)
    assert abs(image.scores(events)[0] / 65536 - greatest) <= 2.0 ** (image.shift - 17)
    assert image.leaves.max() > 16000
    with pytest.raises(ModelError, match="leaves: expected under 64 log-odds, was 100"):
        quantise(Forest((Split(0, 0.0, Leaf(100.0), Leaf(-100.0)),), 0.0, COUNT, (), "big"))


def test_a_file_gives_back_the_same_image(tmp_path):
    image = quantise(forest(), notes={"captures": ["a.gz"]})
    path = tmp_path / "model.tgm"
    image.save(path)
    again = Image.load(path)
    assert again.identity == image.identity
    assert np.array_equal(again.words(8), image.words(8))
    assert again.notes == {"source": "test", "captures": ["a.gz"]}
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tgm"]


def test_any_damaged_byte_and_any_cut_of_a_file_is_refused(tmp_path):
    path = tmp_path / "model.tgm"
    quantise(forest(1)).save(path)
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        with pytest.raises(ModelError, match=r"model\.tgm: expected"):
            Image.load(path)
    for cut in (0, 5, 8, 19, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(ModelError, match=r"model\.tgm: expected"):
            Image.load(path)


def test_a_file_of_another_feature_list_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.tgm"
    quantise(forest(1)).save(path)
    monkeypatch.setattr(image_module, "feature_list_id", lambda: 5)
    with pytest.raises(ModelError, match="expected this version's feature list, was another"):
        Image.load(path)


def test_a_model_is_loaded_and_replaced():
    board = Fabric()
    for seed in (1, 2):
        image = quantise(forest(3, seed))
        load_model(board, image)
        events = rows(20, seed)
        told = [board.reference.score(row).score for row in events.tolist()]
        assert told == image.scores(events).tolist()
        assert board.read("model_id") == image.identity


def test_a_board_that_cannot_take_the_model_is_named_before_anything_is_sent():
    image = quantise(forest(9))
    for board, message in (
        (Fabric(), "trees: expected at most the 8 of the board, was 9"),
        (Fabric(shape=0), "board: expected one with a forest, was one without"),
        (Fabric(shape=9 | 6 << 16 | COUNT << 24), "expected a forest of depth 5, was 6"),
        (Fabric(features=7), "board: expected feature list .* was 0x7"),
        (
            Fabric(shape=16 | 5 << 16 | 9 << 24),
            f"features: expected the 9 of the board, was {COUNT}",
        ),
    ):
        with pytest.raises(ModelError, match=message):
            load_model(board, image)
        assert board.reference.status == "NONE"


@pytest.mark.parametrize(("word", "name"), [(0, "MAGIC"), (2, "SHAPE"), (40, "CHECKSUM")])
def test_a_word_damaged_on_its_way_is_refused_and_the_model_before_stays(word, name):
    board = Fabric()
    first = quantise(forest(3, 1))
    load_model(board, first)
    board.flip = word
    with pytest.raises(ModelError, match=f"board: expected ACCEPTED, was {name}"):
        load_model(board, quantise(forest(3, 2)))
    assert board.read("model_id") == first.identity
