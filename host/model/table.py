# SPDX-License-Identifier: Apache-2.0
"""Book events with their features and quotes, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from host.contract.features import FEATURE_NAMES
from host.model.trees import ModelError

__all__ = ["FeatureTable"]


@dataclass(frozen=True)
class FeatureTable:
    """Book events of one symbol in the order of the stream.

    Attributes
    ----------
    symbol : str
        The venue's name.
    tick : Decimal
        Price of a tick.
    time_us : ndarray of int64, shape (n,)
        Exchange time, never falling.
    rows : ndarray of int32, shape (n, features)
        Features in the order of the list, as whole numbers.
    usable : ndarray of bool, shape (n,)
        Best bid and offer were valid; the features and quotes of others are no data.
    bid_ticks, ask_ticks : ndarray of int64, shape (n,)
        Best bid and offer.
    """

    symbol: str
    tick: Decimal
    time_us: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    usable: npt.NDArray[np.bool_]
    bid_ticks: npt.NDArray[np.int64]
    ask_ticks: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time_us)

    def __post_init__(self) -> None:
        lengths = {len(self.rows), len(self.usable), len(self.bid_ticks), len(self.ask_ticks)}
        if lengths != {len(self.time_us)} or self.rows.shape[1:] != (len(FEATURE_NAMES),):
            raise ModelError(f"features: expected columns of one length, was {sorted(lengths)}")
        if np.any(np.diff(self.time_us) < 0):
            raise ModelError("features: expected times that never fall, was one that does")
