# SPDX-License-Identifier: Apache-2.0
"""Sizes of the host's part of the path."""

from __future__ import annotations

from dataclasses import dataclass

from host.contract.registers import DEFAULT_LEVELS, DEFAULT_QTY_BITS, DEFAULT_SYMBOLS

__all__ = ["FeedSettings"]


@dataclass(frozen=True)
class FeedSettings:
    """Sizes and thresholds; None: derived from `levels`.

    Parameters
    ----------
    symbols : int
        Symbols of the fabric, 1 to 256.
    levels : int
        Levels the fabric keeps a side (K), at least 1.
    qty_bits : int
        Width of a quantity of the fabric, bits, 8 to 64.
    refill_at : int, optional
        A side of the fabric with fewer levels is refilled; K // 2.
    low_levels : int, optional
        With fewer completely known levels on a side a new snapshot is wanted; 2 * K.
    snapshot_limit : int
        Levels a side that snapshots are asked for; one with fewer shows the whole side.
    buffer_events : int
        Depth events of a symbol that are kept, for a snapshot to come.
    """

    symbols: int = DEFAULT_SYMBOLS
    levels: int = DEFAULT_LEVELS
    qty_bits: int = DEFAULT_QTY_BITS
    refill_at: int | None = None
    low_levels: int | None = None
    snapshot_limit: int = 1000
    buffer_events: int = 4096

    def __post_init__(self) -> None:
        if self.refill_at is None:
            object.__setattr__(self, "refill_at", self.levels // 2)
        if self.low_levels is None:
            object.__setattr__(self, "low_levels", 2 * self.levels)
        for name, low, high in (
            ("symbols", 1, 256),
            ("levels", 1, 1 << 16),
            ("qty_bits", 8, 64),
            ("refill_at", 0, self.levels),
            ("low_levels", 0, 1 << 16),
            ("snapshot_limit", 1, 1 << 20),
            ("buffer_events", 1, 1 << 20),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, was {value}")
