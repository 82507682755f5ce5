# SPDX-License-Identifier: Apache-2.0
"""A trained model as the rule of a board: its image, and the settings it was judged with."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from host.model.image import Image
from host.model.labels import Costs
from host.model.trees import ModelError
from host.settings import Write

__all__ = ["ModelRule", "image_writes"]

#: Settings of features that an image's notes must hold, all but N.
_FEATURE_SETTINGS = ("flow_decay", "average_decay", "bar_log2_us")
_AS_RULE, _BOTH_SIDES, _ANY_RULE = 1, 3, 0
_PAUSE, _FLAT = 1 << 5, 1 << 6  # filters
_TIME_STOP = 1 << 3
_LIMIT_IOC = 0x11


def image_writes(image: Image, trees: int, features: int) -> list[Write]:
    """Register writes that load an image into a board of these sizes.

    Raises
    ------
    ModelError
        The model does not fit the board.
    """
    words = image.words(trees, features)
    return [
        Write("model_begin", 0),
        *(Write("model_data", word) for word in words.tolist()),
        Write("model_commit", zlib.crc32(words.astype("<u4").tobytes())),
    ]


@dataclass(frozen=True)
class ModelRule:
    """The model alone decides entries, and time ends them: as it was judged in training.

    An entry is bought at the ask or sold at the bid, immediate or cancel, from the probability the
    image names; while a position is open or its fill is not reported there is no other. It is left
    a horizon later.

    Parameters
    ----------
    image : Image
        The model; its notes name horizon and settings of the features, as `tickgate train` writes.
    costs : Costs
        What a trade costs beside the spread.

    Raises
    ------
    ModelError
        The notes do not say what the model needs.
    """

    image: Image
    costs: Costs = field(default_factory=Costs)

    def __post_init__(self) -> None:
        held = self.image.notes.get("settings")
        names = (*_FEATURE_SETTINGS, "levels", "trade_window")
        if not isinstance(held, dict) or not all(isinstance(held.get(n), int) for n in names):
            raise ModelError(f"model: expected notes with {', '.join(names)}, was {held!r}")
        if not isinstance(self.image.notes.get("horizon_us"), int):
            raise ModelError("model: expected notes with a horizon, was none; train it again")

    @property
    def levels(self) -> int:
        """N it was trained with."""
        return int(self.image.notes["settings"]["levels"])

    @property
    def horizon_us(self) -> int:
        """How long a position is held."""
        return int(self.image.notes["horizon_us"])

    def writes(self, shape: int) -> list[Write]:
        """Registers that hold for all symbols, of a board whose ``model_shape`` this is.

        Raises
        ------
        ModelError
            The board has no forest, or one the model does not fit.
        """
        trees, features = shape & 0xFFFF, shape >> 24
        if not shape:
            raise ModelError("board: expected one with a forest, was one without")
        window = Write("trade_window", self.image.notes["settings"]["trade_window"])
        return [window, *image_writes(self.image, trees, features)]

    def symbol_writes(self, symbol: int, order_lots: int, report_us: int) -> list[Write]:
        """Settings of a symbol, and the commit that puts them in force.

        Parameters
        ----------
        symbol : int
            Symbol number.
        order_lots : int
            Quantity of an entry.
        report_us : int
            Stream time until a fill is reported.
        """
        features = self.image.notes["settings"]
        row = {
            "active": 1,
            **{name: features[name] for name in _FEATURE_SETTINGS},
            "sides": _BOTH_SIDES,
            "combine": _ANY_RULE,
            "imbalance_sides": 0,
            "model_mode": _AS_RULE,
            "model_sides": _BOTH_SIDES,
            "model_least": max(self.image.upper, -self.image.lower, 0),
            "filters": _PAUSE | _FLAT,
            "pause_us": 2 * report_us,
            "qty_most": order_lots,
            "entry_order": _LIMIT_IOC,
            "exit_order": _LIMIT_IOC,
            "exits": _TIME_STOP,
            "time_us": self.horizon_us,
            "exit_retry_us": 2 * report_us,
        }
        writes = [Write(f"strategy_{name}", value) for name, value in row.items()]
        return [*writes, Write("strategy_commit", symbol)]
