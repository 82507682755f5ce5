# SPDX-License-Identifier: Apache-2.0
"""Rows of whole-number features with something to learn in them."""

import numpy as np

from host.contract.features import FEATURE_NAMES

COUNT = len(FEATURE_NAMES)


def rows_and_labels(seed, count=4000, classes=2):
    """Features of different spread, zeros and ties among them; labels that depend on four."""
    rng = np.random.default_rng(seed)
    spread = 4.0 ** rng.integers(1, 9, COUNT)
    rows = np.rint(rng.standard_t(3, (count, COUNT)) * spread).clip(-131072, 131071)
    rows = rows.astype(np.int64)
    score = np.tanh(rows[:, 1] / spread[1]) + 0.5 * np.sign(rows[:, 5])
    score += 0.7 * (rows[:, 7] > rows[:, 9] * spread[7] / spread[9]) - 0.4 * (rows[:, 20] == 0)
    return rows, np.digitize(score + rng.normal(0, 0.7, count), np.linspace(0, 1.5, classes)[:-1])
