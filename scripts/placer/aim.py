# SPDX-License-Identifier: Apache-2.0
"""What the placer can be told; apart from the placer, which takes a while to import."""

from typing import NamedTuple

__all__ = ["Aim"]


class Aim(NamedTuple):
    """What a placement is made for.

    Attributes
    ----------
    spread_ns, refine_ns : float
        Paths that take longer are made shorter at the cost of wire, in either step; below what the
        logic takes there is nothing to gain.
    pull : float
        How strong paths are drawn together in the first step, beside wires.
    density : float
        Share of the places of a tile that is used where cells are crowded, 0 to 1.
    growth : float
        How much stronger cells drive each other apart from step to step of the first, over 1. Half
        of what is over it takes twice the steps, and makes wires shorter by a twentieth.
    rounds : int
        Of moves.
    """

    spread_ns: float = 9.0
    refine_ns: float = 10.5
    pull: float = 6.0
    density: float = 0.8
    growth: float = 1.005
    rounds: int = 60
