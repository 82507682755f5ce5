# SPDX-License-Identifier: Apache-2.0
"""The LFE5U-85F: its tiles and sites, and how long a wire takes in it."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["COLUMNS", "HEIGHT", "IS_LOGIC", "ROWS", "SITES", "WIDTH", "Numbers", "wire_ns"]

#: Of numbers; NumPy's own types do not tell more apart.
Numbers = npt.NDArray[Any]

#: Tiles are numbered `y * WIDTH + x`; a place is `tile * 8 + n`, the n-th LUT and register there.
WIDTH, HEIGHT = 128, 96
#: First and last column and row of tiles with slices; rows between that have none.
COLUMNS, ROWS = (2, 124), (2, 93)
_BARREN = (10, 22, 34, 46, 58, 70, 82)
IS_LOGIC: Numbers = np.zeros(WIDTH * HEIGHT, np.bool_)
for _row in range(ROWS[0], ROWS[1] + 1):
    if _row not in _BARREN:
        IS_LOGIC[_row * WIDTH + COLUMNS[0] : _row * WIDTH + COLUMNS[1] + 1] = True

_BLOCKS = (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)
#: Sites of multipliers and block RAM by kind of cell: column, row, name.
SITES = {
    "MULT18X18D": [
        (x + n, y, f"MULT18_{n}") for y in (10, 34, 58) for x in _BLOCKS for n in (0, 1, 4, 5)
    ],
    "DP16KD": [
        (x + 2 * n, y, f"EBR{n}") for y in (22, 46, 70, 82) for x in _BLOCKS for n in range(4)
    ],
}

#: Of a wire, more of one that leaves its tile, and of each tile it crosses: the least that nextpnr
#: found for routed wires of that length, speed grade 6, ns.
_A_WIRE, _LEAVES, _A_TILE = 0.43, 0.25, 0.072


def wire_ns(away: Numbers) -> Numbers:
    """How long wires take across so many tiles, ns."""
    return _A_WIRE + _LEAVES * np.minimum(1.0, away) + _A_TILE * away
