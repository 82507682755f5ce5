# SPDX-License-Identifier: Apache-2.0
"""The reference model of the forest: plain integers, written from ``docs/model.md`` alone."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from host.contract.features import FEATURE_BITS, FEATURES

__all__ = ["FEATURES_ID", "ForestSizes", "Model", "ReferenceForest", "Score", "forest_of", "walk"]

#: Identity of the feature list.
FEATURES_ID = zlib.crc32("\n".join(f"{f.name} {f.fraction_bits}" for f in FEATURES).encode())

_MAGIC, _FORMAT, _HEADER = 0x54474D31, 1, 24
_BIAS, _UPPER, _LOWER, _MODEL, _SHIFT = 16, 17, 18, 19, 20
_BIAS_MOST, _SHIFT_MOST = 1 << 23, 7


class ForestSizes(NamedTuple):
    """Sizes of a build: trees, nodes from root to leaf, inputs, and the widths in bits."""

    trees: int = 128
    depth: int = 5
    features: int = 32
    feature_bits: int = 18
    leaf_bits: int = 16


class Score(NamedTuple):
    """What a set of features is answered with; all zero when there is no model."""

    scored: bool = False
    score: int = 0
    above: bool = False
    below: bool = False
    model: int = 0


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Model(NamedTuple):
    """The words of an image that has been accepted."""

    sizes: ForestSizes
    words: tuple[int, ...]

    def tree(self, number: int) -> Sequence[int]:
        """Words of a tree: its nodes from the root down, level by level; then its leaves."""
        each = (1 << self.sizes.depth) - 1 + (1 << self.sizes.depth) // 2
        return self.words[_HEADER + number * each : _HEADER + (number + 1) * each]

    def score(self, features: Sequence[int]) -> Score:
        """Add up what the features reach."""
        total = _signed(self.words[_BIAS], 32)
        for number in range(self.sizes.trees):
            total += walk(self.sizes, self.tree(number), features)
        score = total * 2 ** self.words[_SHIFT]
        if not -(1 << 31) <= score < 1 << 31:
            raise OverflowError(f"score: expected 32 bits, was {score}")
        upper, lower = (_signed(self.words[at], 32) for at in (_UPPER, _LOWER))
        return Score(True, score, score >= upper, score <= lower, self.words[_MODEL])


def walk(sizes: ForestSizes, tree: Sequence[int], features: Sequence[int]) -> int:
    """The leaf of one tree that a set of features reaches.

    The children of the node at place n (from 0) are at 2n + 1 and 2n + 2. A node sends to the
    right what is greater than its threshold. Two leaves share a word, the left one below.
    """
    place = 0
    for _ in range(sizes.depth):
        word = tree[place]
        threshold = _signed(word & 0x3FFFF, sizes.feature_bits)
        place = 2 * place + (2 if features[word >> 18] > threshold else 1)
    nodes = (1 << sizes.depth) - 1
    leaf = place - nodes
    return _signed(tree[nodes + leaf // 2] >> 16 * (leaf % 2), sizes.leaf_bits)


@dataclass
class ReferenceForest:
    """A forest and what is loaded into it.

    Parameters
    ----------
    sizes : ForestSizes
        Of the build.
    features_id : int
        Identity of the feature list of the build.
    """

    sizes: ForestSizes
    features_id: int = 0
    status: str = "NONE"
    active: Model | None = None
    loads: int = 0
    refusals: int = 0
    _words: list[int] = field(default_factory=list)

    @property
    def _length(self) -> int:
        return _HEADER + self.sizes.trees * (
            (1 << self.sizes.depth) - 1 + (1 << self.sizes.depth) // 2
        )

    def write(self, register_name: str, value: int) -> None:
        """Take a write of one of the registers an image comes through."""
        if register_name == "model_begin":
            self.begin()
        elif register_name == "model_data":
            self.word(value)
        elif register_name == "model_commit":
            self.commit(value)
        else:
            raise ValueError(f"register: expected one of the model, was {register_name!r}")

    def begin(self) -> None:
        """An image begins; one under way is given up."""
        self.refusals += self.status == "RECEIVING"
        self.status = "RECEIVING"
        self._words = []

    def word(self, word: int) -> None:
        """Take one word of it."""
        if self.status != "RECEIVING":
            self._stray()
            return
        fault = self._fault(len(self._words), word)
        if fault:
            self.status, self.refusals = fault, self.refusals + 1
        else:
            self._words.append(word)

    def commit(self, checksum: int) -> None:
        """The image is whole, with this CRC-32 over its words, lowest byte first."""
        if self.status != "RECEIVING":
            self._stray()
            return
        expected = zlib.crc32(b"".join(word.to_bytes(4, "little") for word in self._words))
        if len(self._words) != self._length:
            self.status = "LENGTH"
        elif checksum != expected:
            self.status = "CHECKSUM"
        else:
            self.status = "ACCEPTED"
        if self.status == "ACCEPTED":
            self.loads += 1
            self.active = Model(self.sizes, tuple(self._words))
        else:
            self.refusals += 1

    def score(self, features: Sequence[int]) -> Score:
        """Answer one set of features."""
        return Score() if self.active is None else self.active.score(features)

    def _stray(self) -> None:
        if self.status in ("NONE", "ACCEPTED"):
            self.status, self.refusals = "ORDER", self.refusals + 1

    def _fault(self, at: int, word: int) -> str | None:
        sizes = self.sizes
        if at == self._length:
            return "LENGTH"
        if at < _HEADER:
            shape = sizes.trees + 65536 * sizes.depth + 16777216 * sizes.features
            fixed = {
                0: (_MAGIC, "MAGIC"),
                1: (_FORMAT, "FORMAT"),
                2: (shape, "SHAPE"),
                3: (self.features_id, "FEATURES"),
            }
            if at in fixed:
                expected, name = fixed[at]
                return None if word == expected else name
            if at == _BIAS:
                return None if -_BIAS_MOST <= _signed(word, 32) < _BIAS_MOST else "RANGE"
            if at == _SHIFT:
                return None if word <= _SHIFT_MOST else "RANGE"
            return None if at in (_UPPER, _LOWER, _MODEL) or word == 0 else "RESERVED"
        nodes = (1 << sizes.depth) - 1
        place = (at - _HEADER) % (nodes + (nodes + 1) // 2)
        if place >= nodes:
            free = ~(((1 << sizes.leaf_bits) - 1) * 0x10001)
            return "RESERVED" if word & free & 0xFFFFFFFF else None
        index_bits = (sizes.features - 1).bit_length()
        known = ((1 << index_bits) - 1) << 18 | (1 << sizes.feature_bits) - 1
        if word & ~known:
            return "RESERVED"
        return "NODE" if word >> 18 >= sizes.features else None


def forest_of(trees: int) -> ReferenceForest:
    """The forest of a build with so many trees, over the features of this version."""
    sizes = ForestSizes(trees, features=len(FEATURES), feature_bits=FEATURE_BITS)
    return ReferenceForest(sizes, FEATURES_ID)
