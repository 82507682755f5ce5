# SPDX-License-Identifier: Apache-2.0
"""A packed design placed by its slowest paths: ``python -m scripts.placer.place IN OUT``.

nextpnr packs (``--pack-only --write IN``), this places, nextpnr checks and routes OUT. The same
design and seed give the same places on the same machine; another machine's floating point may give
others, so places can be kept (``--keep``) and given (``--places``).
"""

import argparse
import gzip
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .aim import Aim
from .groups import Groups, together
from .packed import Packed
from .part import SITES, Numbers
from .paths import Paths
from .refine import refine, way_ns
from .settle import settle
from .spread import Drawn, spread
from .tiles import cells_of
from .written import written

__all__ = ["Aim", "Places", "main", "place"]


class Places(NamedTuple):
    """Where the cells of a design stand.

    Attributes
    ----------
    numbers : array
        Of each cell: its place, of a macro its site, else -1.
    ns : float
        The slowest path, by the least time that wires of that length take.
    """

    numbers: Numbers
    ns: float


def place(
    design: Packed, groups: Groups, seed: int, aim: Aim, tell: Callable[[str], None]
) -> Places:
    """Place a design.

    Parameters
    ----------
    design, groups : Packed, Groups
        The design, and what of it stands together.
    seed : int
        Of where cells begin and how they are moved.
    aim : Aim
        What it is made for.
    tell : callable
        Takes a line now and then.

    Raises
    ------
    ValueError
        A design with a loop of logic, or too large for the part.
    """
    paths = Paths(design)
    tell(f"{len(design.names):,} cells in {len(groups.kind):,} groups")
    apart = spread(
        design, groups, paths, Drawn(aim.spread_ns, aim.pull, aim.density, aim.growth), seed
    )
    cells = cells_of(design, groups)
    tiles = settle(design, groups, cells, apart.x, apart.y)
    for number in np.flatnonzero(groups.of < 0).tolist():
        cells.x[number], cells.y[number] = design.fixed(number)
    numbers = np.full(len(design.names), -1, np.int64)
    for group in np.flatnonzero(apart.site >= 0).tolist():
        (number,) = groups.cells[group]
        numbers[number] = site = apart.site[group]
        cells.x[number], cells.y[number], _ = SITES[design.kinds[number]][site]
    tell(f"settled: {paths.through(way_ns(design, cells))[0]:.2f} ns")
    refine(design, cells, tiles, paths, aim.refine_ns, aim.rounds, seed, tell)
    stands = cells.place >= 0
    numbers[stands] = cells.place[stands]
    return Places(numbers, paths.through(way_ns(design, cells))[0])


def _kept(path: Path, design: Packed) -> Numbers:
    """Places that were kept of the same design."""
    try:
        numbers = np.array(json.loads(gzip.decompress(path.read_bytes())), np.int64)
    except (EOFError, OSError, OverflowError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"{path}: expected places that were kept, was {error}") from error
    if numbers.shape != (len(design.names),):
        raise ValueError(f"{path}: expected {len(design.names):,} places, was {numbers.size:,}")
    return numbers


def main() -> int:
    """Place a design of nextpnr's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packed", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="file that takes the places alone")
    parser.add_argument("--places", type=Path, help="such a file, instead of placing")
    for name, default in Aim()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = parser.parse_args()
    aim = Aim(**{name: getattr(options, name) for name in Aim._fields})
    try:
        design = Packed(options.packed)
        groups = together(design)
        if options.places:
            numbers = _kept(options.places, design)
        else:
            numbers, ns = place(design, groups, options.seed, aim, tell=print)
            print(f"slowest path: {ns:.2f} ns")
        try:
            written(design, numbers, options.out)
        except (IndexError, KeyError) as error:
            if not options.places:
                raise
            raise ValueError(
                f"{options.places}: expected places of this design, was one that is none ({error})"
            ) from error
    except (OSError, ValueError) as error:
        sys.exit(f"placer: {error}")
    if options.keep:
        text = json.dumps(numbers.tolist(), separators=(",", ":"))
        options.keep.write_bytes(gzip.compress(text.encode(), mtime=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
