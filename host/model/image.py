# SPDX-License-Identifier: Apache-2.0
"""The image of a model: whole numbers, as words for the board and as a file. See docs/model.md."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from host.contract.features import FEATURE_BITS, FEATURES, SCORE_FRACTION_BITS
from host.model.trees import ModelError

__all__ = ["BIAS_BITS", "DEPTH", "MOST_SHIFT", "MOST_TREES", "Image", "feature_list_id"]

DEPTH = 5  #: nodes from root to leaf
MOST_TREES, BIAS_BITS, MOST_SHIFT = 256, 24, 7
_MAGIC, _FORMAT, _HEADER = 0x54474D31, 1, 24
_BIAS, _UPPER, _LOWER, _MODEL, _SHIFT = 16, 17, 18, 19, 20
_NODES, _LEAF_WORDS = (1 << DEPTH) - 1, 1 << (DEPTH - 1)
_EACH = _NODES + _LEAF_WORDS
_FILE_MAGIC = b"TGMODEL\x01"
_MOST_FILE_BYTES = 1 << 24
_MASK = (1 << FEATURE_BITS) - 1


def feature_list_id(names: Sequence[tuple[str, int]] | None = None) -> int:
    """Identity of a feature list: CRC-32 of the lines ``<name> <bits after the point>``.

    Parameters
    ----------
    names : sequence of (str, int) or None
        The list; None: that of this version.
    """
    pairs = names or [(feature.name, feature.fraction_bits) for feature in FEATURES]
    return zlib.crc32("\n".join(f"{name} {bits}" for name, bits in pairs).encode())


@dataclass(frozen=True)
class Image:
    """A model in whole numbers.

    Parameters
    ----------
    features : ndarray of int64, shape (trees, 31)
        Feature of each node; children of node n are 2n + 1 and 2n + 2.
    thresholds : ndarray of int64, shape (trees, 31)
        A feature greater than its threshold goes right.
    leaves : ndarray of int64, shape (trees, 32)
        In units of ``2^(shift - 16)`` log-odds.
    bias : int
        In the same unit.
    shift : int
        A score is the sum times ``2^shift``.
    upper, lower : int
        Scores from which up, and to which down, the model itself calls a decision; 2^-16 log-odds.
    notes : dict
        Where it comes from; for people.
    """

    features: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.int64]
    leaves: npt.NDArray[np.int64]
    bias: int
    shift: int
    upper: int
    lower: int
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def trees(self) -> int:
        """Trees."""
        return len(self.leaves)

    @property
    def identity(self) -> int:
        """What the board calls this model: CRC-32 of its numbers, never 0."""
        parts = (self.bias, self.shift, self.upper, self.lower, self.trees)
        return zlib.crc32(struct.pack("<5q", *parts) + self._body(self.trees).tobytes()) or 1

    def words(self, trees: int, features: int = len(FEATURES)) -> npt.NDArray[np.uint32]:
        """The words a board takes, without their checksum.

        Parameters
        ----------
        trees : int
            Trees of the board; those this model lacks add nothing.
        features : int
            Features of the board.

        Returns
        -------
        numpy.ndarray
            Shape (24 + 47 trees,), uint32.

        Raises
        ------
        ModelError
            The model does not fit this board.
        """
        if self.trees > trees:
            raise ModelError(f"trees: expected at most the {trees} of the board, was {self.trees}")
        if len(FEATURES) != features:
            raise ModelError(f"features: expected the {features} of the board, was {len(FEATURES)}")
        header = np.zeros(_HEADER, np.uint32)
        header[:4] = _MAGIC, _FORMAT, trees | DEPTH << 16 | features << 24, feature_list_id()
        signed = np.array([self.bias, self.upper, self.lower], np.int32).view(np.uint32)
        header[[_BIAS, _UPPER, _LOWER]] = signed
        header[_MODEL], header[_SHIFT] = self.identity, self.shift
        return np.concatenate([header, self._body(trees).reshape(-1)])

    def _body(self, trees: int) -> npt.NDArray[np.uint32]:
        rows = np.zeros((trees, _EACH), np.uint32)
        nodes = self.features << 18 | self.thresholds & _MASK
        leaves = self.leaves & 0xFFFF
        rows[: self.trees, :_NODES] = nodes
        rows[: self.trees, _NODES:] = leaves[:, ::2] | leaves[:, 1::2] << 16
        return rows

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Scores of some sets of features, as the board gives them.

        Parameters
        ----------
        rows : numpy.ndarray
            Shape (n, features), whole numbers.

        Returns
        -------
        numpy.ndarray
            Shape (n,), int64, in units of 2^-16 log-odds.
        """
        values = np.asarray(rows, np.int64)
        every = np.arange(len(values))
        total = np.full(len(values), self.bias, np.int64)
        for features, thresholds, leaves in zip(
            self.features, self.thresholds, self.leaves, strict=True
        ):
            place = np.zeros(len(values), np.int64)
            for _ in range(DEPTH):
                right = values[every, features[place]] > thresholds[place]
                place = 2 * place + 1 + right
            total += leaves[place - _NODES]
        return total << self.shift

    def decisions(self, scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """What the model's own thresholds call scores: 1 up, -1 down, 0 neither."""
        return (scores >= self.upper).astype(np.int64) - (scores <= self.lower)

    def probabilities(self, scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Probability of each score."""
        return 1 / (1 + np.exp(-np.asarray(scores, float) / (1 << SCORE_FRACTION_BITS)))

    def save(self, path: str | Path) -> None:
        """Write the file; it appears whole or not at all."""
        notes = {**self.notes, "features": [f"{f.name} {f.fraction_bits}" for f in FEATURES]}
        head = orjson.dumps(notes, option=orjson.OPT_SORT_KEYS)
        words = self.words(max(1, self.trees)).astype("<u4").tobytes()
        body = _FILE_MAGIC + struct.pack("<II", len(head), len(words) // 4) + head + words
        path = Path(path)
        part = path.with_name(path.name + ".part")
        part.write_bytes(body + struct.pack("<I", zlib.crc32(body)))
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | Path) -> Image:
        """Read a file that `save` has written.

        Raises
        ------
        ModelError
            It is none, is damaged, or is for another feature list or version.
        OSError
            It cannot be opened.
        """
        with open(path, "rb") as file:
            data = file.read(_MOST_FILE_BYTES + 1)
        name = os.fspath(path)
        if data[: len(_FILE_MAGIC)] != _FILE_MAGIC:
            raise ModelError(f"{name}: expected a model image of version 1, was another file")
        if len(data) < 20 or len(data) > _MOST_FILE_BYTES:
            raise ModelError(f"{name}: expected 20 to {_MOST_FILE_BYTES} bytes, was {len(data)}")
        if struct.unpack("<I", data[-4:])[0] != zlib.crc32(data[:-4]):
            raise ModelError(f"{name}: expected the checksum of its bytes, was another: damaged")
        head, count = struct.unpack("<II", data[8:16])
        if 16 + head + 4 * count + 4 != len(data):
            raise ModelError(f"{name}: expected {20 + head + 4 * count} bytes, was {len(data)}")
        try:
            notes = orjson.loads(data[16 : 16 + head])
        except orjson.JSONDecodeError:
            raise ModelError(f"{name}: expected JSON notes, was something else") from None
        if not isinstance(notes, dict):
            raise ModelError(f"{name}: expected JSON notes, was something else")
        words = np.frombuffer(data, "<u4", count, 16 + head).astype(np.uint32)
        return cls._from_words(name, words, notes)

    @classmethod
    def _from_words(cls, name: str, words: npt.NDArray[np.uint32], notes: dict[str, Any]) -> Image:
        if len(words) < _HEADER or list(words[:2]) != [_MAGIC, _FORMAT]:
            raise ModelError(f"{name}: expected the words of an image, was something else")
        trees = int(words[2]) & 0xFFFF
        shape = trees | DEPTH << 16 | len(FEATURES) << 24
        if int(words[2]) != shape or len(words) != _HEADER + _EACH * trees:
            raise ModelError(
                f"{name}: expected trees of depth {DEPTH} over {len(FEATURES)} features, was "
                f"depth {int(words[2]) >> 16 & 0xFF} over {int(words[2]) >> 24}, {len(words)} words"
            )
        if int(words[3]) != feature_list_id():
            raise ModelError(f"{name}: expected this version's feature list, was another")
        signed = words.view(np.int32)
        rows = words[_HEADER:].reshape(trees, _EACH).astype(np.int64)
        nodes, pairs = rows[:, :_NODES], rows[:, _NODES:]
        leaves = np.empty((trees, 2 * _LEAF_WORDS), np.int64)
        leaves[:, ::2], leaves[:, 1::2] = pairs & 0xFFFF, pairs >> 16
        image = cls(
            features=nodes >> 18,
            thresholds=(nodes & _MASK ^ 1 << FEATURE_BITS - 1) - (1 << FEATURE_BITS - 1),
            leaves=(leaves ^ 0x8000) - 0x8000,
            bias=int(signed[_BIAS]),
            shift=int(words[_SHIFT]),
            upper=int(signed[_UPPER]),
            lower=int(signed[_LOWER]),
            notes={key: value for key, value in notes.items() if key != "features"},
        )
        if image.features.max(initial=0) >= len(FEATURES):
            raise ModelError(f"{name}: expected features under {len(FEATURES)}, was one above")
        if image.shift > MOST_SHIFT or not -(1 << 23) <= image.bias < 1 << 23:
            raise ModelError(f"{name}: expected a bias of {BIAS_BITS} bits, was {image.bias}")
        if image.identity != int(words[_MODEL]):
            raise ModelError(f"{name}: expected identity {image.identity:#x}, was another")
        return image
