# SPDX-License-Identifier: Apache-2.0
"""Random images and features for the forest, made by hand from the format's page."""

import random
import zlib

from sim.reference_forest import ForestSizes

FEATURES_ID = 0x1234ABCD


def checksum(words):
    return zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))


def header(sizes, bias=0, upper=0, lower=0, model=1, shift=0):
    words = [0] * 24
    words[:4] = [0x54474D31, 1, sizes.trees | sizes.depth << 16 | sizes.features << 24, FEATURES_ID]
    words[16:21] = [bias & 0xFFFFFFFF, upper & 0xFFFFFFFF, lower & 0xFFFFFFFF, model, shift]
    return words


def node(sizes, feature, threshold):
    return feature << 18 | threshold & (1 << sizes.feature_bits) - 1


def leaf_pair(sizes, left, right):
    mask = (1 << sizes.leaf_bits) - 1
    return left & mask | (right & mask) << 16


def random_feature(rng, bits):
    """Any value, small ones and the ends of the range oftener."""
    most = (1 << bits - 1) - 1
    draw = rng.random()
    if draw < 0.5:
        return rng.randint(max(-most - 1, -9), min(most, 9))
    return (
        rng.choice([-most - 1, -most, most, most - 1]) if draw < 0.6 else rng.randint(-most, most)
    )


def random_vector(rng, sizes):
    return [random_feature(rng, sizes.feature_bits) for _ in range(sizes.features)]


def random_image(rng, sizes, model=1, **constants):
    words = header(sizes, model=model, **constants)
    most = (1 << sizes.leaf_bits - 1) - 1
    for _ in range(sizes.trees):
        for _ in range((1 << sizes.depth) - 1):
            threshold = random_feature(rng, sizes.feature_bits)
            words.append(node(sizes, rng.randrange(sizes.features), threshold))
        for _ in range(1 << sizes.depth - 1):
            pair = [rng.choice([rng.randint(-most - 1, most), -most - 1, most]) for _ in "lr"]
            words.append(leaf_pair(sizes, *pair))
    return words


def random_model(rng, sizes, number):
    """An image with random constants; scores of both signs of the thresholds come up."""
    spread = sizes.trees << sizes.leaf_bits - 1
    shift = rng.randint(0, 7)
    upper, lower = (rng.randint(-spread, spread) << shift for _ in "ul")
    bias = rng.choice([0, rng.randint(-spread, spread), (1 << 23) - 1, -(1 << 23)])
    constants = {"bias": bias, "upper": upper, "lower": lower, "shift": shift}
    return random_image(rng, sizes, number, **constants)


def sizes_of(shape):
    return ForestSizes(
        shape.trees, shape.depth, shape.features, shape.feature_bits, shape.leaf_bits
    )


def rng_of(seed):
    return random.Random(seed)
