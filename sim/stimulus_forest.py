# SPDX-License-Identifier: Apache-2.0
"""Seeded images of forests, as the register writes that load them; some must be refused."""

from __future__ import annotations

import random
import zlib

from host.contract.features import FEATURES
from sim.reference_forest import FEATURES_ID

__all__ = ["random_forest", "random_image"]

_DEPTH, _HEADER = 5, 24
_NODES, _LEAF_WORDS = (1 << _DEPTH) - 1, 1 << _DEPTH - 1
_MOST = (1 << 17) - 1


def random_image(rng: random.Random, trees: int) -> list[int]:
    """Words of an image whose trees split where features are found.

    Parameters
    ----------
    rng : random.Random
        Where chance comes from.
    trees : int
        Trees of the build.

    Returns
    -------
    list of int
        The words, without their checksum.
    """
    words = [0] * _HEADER
    words[:4] = 0x54474D31, 1, trees | _DEPTH << 16 | len(FEATURES) << 24, FEATURES_ID
    bias = rng.choice((0, rng.randint(-40_000, 40_000), (1 << 23) - 1, -(1 << 23)))
    words[16] = bias & 0xFFFFFFFF
    words[17:20] = (rng.getrandbits(32) for _ in range(3))
    words[20] = rng.choice((0, 0, 0, 1, 7))
    for _ in range(trees):
        for _ in range(_NODES):
            bits = rng.choice((0, 1, 8, 11, 12, 13, 14, 17))
            threshold = rng.choice((rng.randint(-(1 << bits), 1 << bits), 0, -_MOST - 1, _MOST))
            threshold = min(max(threshold, -_MOST - 1), _MOST)
            words.append(rng.randrange(len(FEATURES)) << 18 | threshold & 0x3FFFF)
        words += [rng.getrandbits(32) for _ in range(_LEAF_WORDS)]
    return words


def random_forest(seed: int, trees: int) -> list[tuple[str, int]]:
    """Register writes that load a forest, or try to.

    Parameters
    ----------
    seed : int
        The same arguments give the same writes.
    trees : int
        Trees of the build.

    Returns
    -------
    list of (str, int)
        Register names and values, to be written in order. One in five images has a fault and is
        refused by a build with a forest; one without ignores all.
    """
    rng = random.Random(seed * 104_729 + 5)
    words = random_image(rng, trees)
    crc = zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))
    writes = [
        ("model_begin", 0),
        *(("model_data", word) for word in words),
        ("model_commit", crc),
    ]
    fault = rng.randrange(25)
    at = rng.randrange(1, len(writes) - 1)
    if fault == 0:
        writes[-1] = ("model_commit", crc ^ 1 << rng.randrange(32))
    elif fault == 1:
        del writes[at]
    elif fault == 2:
        name, word = writes[at]
        writes[at] = name, word ^ 1 << rng.randrange(32)
    elif fault == 3:
        del writes[0]
    elif fault == 4:
        writes = writes[:at]
    return writes
