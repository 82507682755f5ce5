# SPDX-License-Identifier: Apache-2.0
"""A field in which cells repel each other where a part has no room for all of them.

As in ePlace (Lu and others, 2015) it is that of charges on a plane whose edge nothing leaves, by
cosine transform. But only what is beyond the room of a bin is a charge, with as much of the other
sign over all bins that have room: what stands well already is not spread evenly over the part.
"""

import numpy as np
from scipy.fft import dctn, idctn

from .part import HEIGHT, IS_LOGIC, WIDTH, Numbers

__all__ = ["Field"]

#: Columns and rows of bins.
_BINS = (64, 48)
_A_BIN = ((WIDTH - 1) / _BINS[0], HEIGHT / _BINS[1])
#: LUTs, or registers, of a tile.
_A_TILE = 8.0


class Field:
    """The field of one sort of cells.

    Parameters
    ----------
    area, length : array
        Of each group: places it takes, and tiles from left to right.
    """

    def __init__(self, area: Numbers, length: Numbers) -> None:
        # A chain is as many charges as bins it lies on.
        parts = np.maximum(1, np.ceil(length / _A_BIN[0])).astype(int)
        of = np.repeat(np.arange(len(area)), parts)
        number = np.arange(len(of)) - np.repeat(np.cumsum(parts) - parts, parts)
        offset = ((number + 0.5) / parts[of] - 0.5) * length[of]
        each = (area / parts)[of]
        kept = each > 0
        self._of, self._offset, self._area = of[kept], offset[kept], each[kept]
        self._whole, self._count = float(area.sum()), len(area)
        room = IS_LOGIC.reshape(HEIGHT, WIDTH)[:, :-1] * _A_TILE
        columns = np.minimum((np.arange(WIDTH - 1) / _A_BIN[0]).astype(int), _BINS[0] - 1)
        rows = np.minimum((np.arange(HEIGHT) / _A_BIN[1]).astype(int), _BINS[1] - 1)
        self._room = np.zeros(_BINS)
        np.add.at(self._room, (columns[None, :], rows[:, None]), room)
        waves = [np.pi * np.arange(count) / count for count in _BINS]
        self._squares = (waves[0][:, None] / _A_BIN[0]) ** 2 + (waves[1] / _A_BIN[1]) ** 2
        self._squares[0, 0] = 1.0

    def push(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers, float]:
        """Force on each group, and the share of the area that has no room where it is."""
        across = np.clip((x[self._of] + self._offset) / _A_BIN[0], 0.5, _BINS[0] - 0.501) - 0.5
        down = np.clip(y[self._of] / _A_BIN[1], 0.5, _BINS[1] - 0.501) - 0.5
        column, row = across.astype(np.int64), down.astype(np.int64)
        right, low = across - column, down - row
        base = column * _BINS[1] + row
        shares = (
            (base, (1 - right) * (1 - low)),
            (base + 1, (1 - right) * low),
            (base + _BINS[1], right * (1 - low)),
            (base + _BINS[1] + 1, right * low),
        )
        count = _BINS[0] * _BINS[1]
        parts = [np.bincount(bins, self._area * share, count) for bins, share in shares]
        full = np.sum(parts, axis=0).reshape(_BINS)
        charge = np.maximum(full - self._room, 0)
        over = float(charge.sum() / max(self._whole, 1e-9))
        free = np.maximum(self._room - full, 0)
        charge = (charge - free * (charge.sum() / max(free.sum(), 1e-9))) / self._room.mean()
        waves = dctn(charge, norm="ortho") / self._squares
        waves[0, 0] = 0.0
        potential = idctn(waves, norm="ortho")
        forces = []
        for axis, size in enumerate(_A_BIN):
            slope = np.gradient(potential, size, axis=axis).ravel()
            felt = sum(slope[bins] * share for bins, share in shares)
            forces.append(np.bincount(self._of, self._area * felt, self._count))
        return forces[0], forces[1], over
