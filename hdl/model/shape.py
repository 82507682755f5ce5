# SPDX-License-Identifier: Apache-2.0
"""Sizes of a forest, its payloads, and the words of its image."""

from dataclasses import dataclass

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, enum

from hdl.config import MODEL_DEPTH, BuildConfig
from hdl.signal.catalogue import FEATURE_BITS, FEATURE_COUNT

__all__ = [
    "BIAS_BITS",
    "FORMAT",
    "HEADER_WORDS",
    "MAGIC",
    "MOST_SHIFT",
    "MOST_TREES",
    "SCORE_BITS",
    "ForestShape",
    "Header",
    "ModelStatus",
    "features_layout",
    "forest_shape",
    "node_layout",
    "score_layout",
    "write_layout",
]

MAGIC = 0x54474D31  #: "TGM1"
FORMAT = 1  #: version of the image
HEADER_WORDS = 24  #: words before the first tree
SCORE_BITS = 32  #: signed
#: Most trees, bits of a bias (signed), and greatest left shift of the sum: the score of any image
#: fits `SCORE_BITS`, see `ForestShape.__post_init__`.
MOST_TREES, BIAS_BITS, MOST_SHIFT = 256, 24, 7


class Header(enum.IntEnum):
    """Place of each word of the header; the others are zero.

    What is kept of a header, and the trees, come later than any evaluation takes clocks: an event
    that still reads the bank of the model before is gone when the next image writes there.
    """

    MAGIC = 0
    FORMAT = 1
    SHAPE = 2  # trees, depth << 16, features << 24
    FEATURES = 3  # identity of the feature list
    BIAS = 16  # signed, in units of a leaf, added to every sum
    UPPER = 17  # signed; a score of at least this is `above`
    LOWER = 18  # signed; a score of at most this is `below`
    MODEL = 19  # identity of the model, told with every score
    SHIFT = 20  # a score is the sum times 2^this


class ModelStatus(enum.IntEnum):
    """What became of the last image."""

    NONE = 0  # there was none since reset
    RECEIVING = 1
    ACCEPTED = 2
    MAGIC = 3  # refused: does not begin as an image does
    FORMAT = 4  # refused: another version of the format
    SHAPE = 5  # refused: made for another build
    FEATURES = 6  # refused: made for another feature list
    RESERVED = 7  # refused: a bit that must be 0 is 1
    RANGE = 8  # refused: a bias or a shift that could make a score overflow
    NODE = 9  # refused: a node asks for a feature that does not exist
    LENGTH = 10  # refused: too few or too many words
    CHECKSUM = 11  # refused: the CRC-32 differs
    ORDER = 12  # refused: a word or a commit without a beginning


@dataclass(frozen=True)
class ForestShape:
    """Sizes of a forest, fixed at elaboration.

    Parameters
    ----------
    trees : int
        Trees, at most `MOST_TREES`.
    phases : int
        Trees each engine walks for one evaluation, 1 to 8; a divisor of `trees`. There are
        ``trees / phases`` engines, and one evaluation can begin every `phases` clocks. Two cost no
        throughput, since a book event is two records at least.
    depth : int
        Nodes from root to leaf, 2 to 6.
    features : int
        Inputs, 2 to 32.
    feature_bits : int
        Width of an input and of a threshold, signed, 2 to 18.
    leaf_bits : int
        Width of a leaf, signed, 2 to 16.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    trees: int = 128
    phases: int = 1
    depth: int = 5
    features: int = 32
    feature_bits: int = 18
    leaf_bits: int = 16

    def __post_init__(self) -> None:
        for name, low, high in (
            ("trees", 1, MOST_TREES),
            ("phases", 1, 8),
            ("depth", 2, 6),
            ("features", 2, 32),
            ("feature_bits", 2, 18),
            ("leaf_bits", 2, 16),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, was {value}")
        if self.trees % self.phases:
            raise ValueError(f"phases: expected a divisor of {self.trees}, was {self.phases}")
        least = -(1 << BIAS_BITS - 1) - (MOST_TREES << 15)
        assert least << MOST_SHIFT >= -(1 << SCORE_BITS - 1), "a score could wrap"

    @property
    def engines(self) -> int:
        """Trees walked at the same time."""
        return self.trees // self.phases

    @property
    def latency(self) -> int:
        """Cycles from features to score: a level each, two for the sum, one for each more phase."""
        return self.depth + 2 + self.phases - 1

    @property
    def nodes(self) -> int:
        """Nodes of a tree, and node words of its image."""
        return (1 << self.depth) - 1

    @property
    def leaf_words(self) -> int:
        """Words with two leaves each."""
        return 1 << (self.depth - 1)

    @property
    def words(self) -> int:
        """Words of an image, without its checksum."""
        return HEADER_WORDS + self.trees * (self.nodes + self.leaf_words)

    @property
    def code(self) -> int:
        """The shape as the header's word has it."""
        return self.trees | self.depth << 16 | self.features << 24

    @property
    def feature_index_bits(self) -> int:
        """Width of a feature's number."""
        return (self.features - 1).bit_length()

    @property
    def row_bits(self) -> int:
        """Width of a row's address in an engine: bank, phase; then the path."""
        return 1 + (self.phases - 1).bit_length()


def forest_shape(config: BuildConfig) -> ForestShape:
    """The forest of a build that has one."""
    shape = ForestShape(config.trees, config.phases, MODEL_DEPTH, FEATURE_COUNT, FEATURE_BITS)
    if shape.latency != config.model_cycles:
        raise ValueError(f"forest: expected {config.model_cycles} cycles, was {shape.latency}")
    return shape


def features_layout(shape: ForestShape) -> data.StructLayout:
    """Inputs of one evaluation."""
    lanes = data.ArrayLayout(signed(shape.feature_bits), shape.features)
    return data.StructLayout({"features": lanes})


def score_layout() -> data.StructLayout:
    """What comes of one evaluation; all zero without `scored`."""
    return data.StructLayout(
        {
            "scored": 1,  # there is a model, and the event did not come too early
            "score": signed(SCORE_BITS),  # log-odds; the unit is 2^-16
            "above": 1,  # the score is at least the model's upper threshold
            "below": 1,  # the score is at most the model's lower threshold
            "model": 32,  # identity of the model that was asked
        }
    )


def node_layout(shape: ForestShape) -> data.StructLayout:
    """A node: right when its feature is greater than its threshold, else left."""
    return data.StructLayout(
        {"threshold": signed(shape.feature_bits), "feature": shape.feature_index_bits}
    )


def write_layout(shape: ForestShape) -> data.StructLayout:
    """One word on its way into the engines."""
    return data.StructLayout(
        {
            "node": 1,  # write a node
            "leaves": 1,  # write two leaves
            "engine": unsigned(max(1, (shape.engines - 1).bit_length())),
            "row": shape.row_bits,  # bank in bit 0, then phase
            # Of a node: its number + 1, which is a 1 for the level and the path behind it. Of two
            # leaves: the path.
            "place": shape.depth,
            "data": 32,
        }
    )
