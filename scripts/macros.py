# SPDX-License-Identifier: Apache-2.0
"""Sites of block RAM and multipliers in a large ECP5, found before nextpnr places the rest.

nextpnr's placer puts them on their sites once, in the middle of its work, each on the nearest that
is free: with nine of ten multipliers used that takes many to the other end of the part, and all
that hangs on them is drawn after (the wires of the whole pipeline grew from 446,000 tiles to
823,000 in that one step). Here the netlist is placed roughly first, as ePlace does it (Lu and
others, 2015): the smooth length of all wires and a field in which cells repel each other, in turn
stronger. When all have spread, macros are drawn to the sites whose assignment is the best of all,
step by step, while the other cells give way. Only the sites of macros are used of it.

The same netlist gives the same sites on the same machine; another machine's floating point may
give others. So a bitstream keeps its own beside it.
"""

import re
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn, idctn
from scipy.optimize import linear_sum_assignment

__all__ = ["PART_SITES", "sites"]

#: Of numbers; NumPy's own types do not tell more apart.
Floats = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

_SITE = re.compile(r"X(\d+)/Y(\d+)/")
_COLUMNS = (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)
#: Sites by part and kind of cell, as nextpnr names them.
PART_SITES = {
    "85F": {
        "MULT18X18D": [
            f"X{x + n}/Y{y}/MULT18_{n}"
            for y in (10, 34, 58)
            for x in _COLUMNS
            for n in (0, 1, 4, 5)
        ],
        "DP16KD": [
            f"X{x + 2 * n}/Y{y}/EBR{n}"
            for y in (22, 46, 70, 82)
            for x in _COLUMNS
            for n in range(4)
        ],
    }
}
#: Columns and rows of the part, in tiles of eight LUTs and registers, and rows of none.
_WIDTH, _HEIGHT, _A_TILE = 127.0, 95.0, 8.0
_BARREN = (10, 22, 34, 46, 58, 70, 82)
#: The field's bins.
_BINS = (64, 48)
#: Wires with more ends than that say nothing of where a cell belongs.
_MOST_ENDS = 1500
#: How much stronger cells repel each other from step to step.
_GROWTH = 1.004
#: Share of the cells on too full a bin: macros are drawn to sites from the first on, and the field
#: grows no more from the second on. Steps until macros stand, and behind that.
_SPREAD, _ENOUGH, _DRAWN, _REST = 0.25, 0.10, 450, 300
_MOST_STEPS = 6000
#: LUTs that a cell takes.
_LUTS = {"LUT4": 1.0, "CCU2C": 2.0, "TRELLIS_DPR16X4": 6.0}
#: What has something beside it on the same place.
_LOGIC = ("LUT4", "CCU2C", "PFUMX", "L6MUX21")


class _Grouping(NamedTuple):
    """Of each cell: its cluster, and its place in it, in tiles from the middle."""

    cluster: Ints
    offset: Floats


class _Netlist(NamedTuple):
    """Clusters that stand together, and wires between them."""

    #: of each cluster: LUTs and registers, length in tiles, index of its kind of macro or -1
    luts: Floats
    registers: Floats
    length: Floats
    kind: Ints
    #: macro by cluster
    macros: dict[int, str]
    #: of each pin: its cluster, tiles from the middle of it, and its wire
    cluster: Ints
    offset: Floats
    wire: Ints
    #: first pin of each wire
    first: Ints


def _together(cells: dict[str, Any], names: list[str], pins: dict[int, list[int]]) -> _Grouping:
    """What stands in one place: chains of carries, wide multiplexers, a register behind a LUT."""
    at = {name: number for number, name in enumerate(names)}
    parent = list(range(len(names)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    drivers: dict[int, tuple[int, str]] = {}
    inputs: list[tuple[int, str, int]] = []
    for name in names:
        cell = cells[name]
        for port, wires in cell["connections"].items():
            is_output = cell["port_directions"][port] == "output"
            for wire in wires:
                if not isinstance(wire, int):
                    continue
                pins[wire].append(at[name])
                if is_output:
                    drivers[wire] = at[name], port
                else:
                    inputs.append((at[name], port, wire))

    behind: dict[int, int] = {}
    taken: set[int] = set()
    for number, port, wire in inputs:
        driver, output = drivers.get(wire, (-1, ""))
        kind = cells[names[number]]["type"]
        if driver < 0 or cells[names[driver]]["type"] not in _LOGIC:
            continue
        if port == "CIN" and output == "COUT":
            behind[driver] = number
            parent[root(number)] = root(driver)
        elif kind in ("PFUMX", "L6MUX21") and port in ("ALUT", "BLUT", "D0", "D1"):
            parent[root(driver)] = root(number)
        elif kind == "TRELLIS_FF" and port == "DI" and wire not in taken:
            parent[root(number)] = root(driver)
            taken.add(wire)
    offset = np.zeros(len(names))
    for start in behind.keys() - set(behind.values()):
        one, place = start, 0.0
        while one in behind:
            one, place = behind[one], place + 2 / _A_TILE
            offset[one] = place
    _, cluster = np.unique([root(number) for number in range(len(names))], return_inverse=True)
    middle = np.bincount(cluster, offset) / np.bincount(cluster)
    return _Grouping(cluster, offset - middle[cluster])


def _load(cells: dict[str, Any], kinds: list[str]) -> _Netlist:
    names = [name for name, cell in cells.items() if cell["type"] != "$scopeinfo"]
    types = [cells[name]["type"] for name in names]
    pins: dict[int, list[int]] = defaultdict(list)
    cluster, offset = _together(cells, names, pins)
    count = int(cluster.max()) + 1
    length = np.zeros(count)
    np.maximum.at(length, cluster, offset)
    kind = np.full(count, -1)
    macros = {}
    for number, name in enumerate(names):
        if types[number] in kinds:
            kind[cluster[number]] = kinds.index(types[number])
            macros[int(cluster[number])] = name
    ends: list[int] = []
    first = []
    for wire in sorted(pins):
        whole = sorted(set(pins[wire]))
        if len(whole) < _MOST_ENDS and len(set(cluster[whole])) > 1:
            first.append(len(ends))
            ends += whole
    return _Netlist(
        luts=np.bincount(cluster, [_LUTS.get(one, 0.0) for one in types], count),
        registers=np.bincount(cluster, [float(one == "TRELLIS_FF") for one in types], count),
        length=2 * length + 1 / _A_TILE,
        kind=kind,
        macros=macros,
        cluster=cluster[ends],
        offset=offset[ends],
        wire=np.repeat(np.arange(len(first)), np.diff([*first, len(ends)])),
        first=np.array(first),
    )


class _Field:
    """Cells of one sort repel each other where there are more than a part has room for.

    The field is that of charges on a plane whose edge nothing leaves, by cosine transform.
    """

    def __init__(self, area: Floats, length: Floats) -> None:
        self._width, self._height = _WIDTH / _BINS[0], _HEIGHT / _BINS[1]
        # A chain is as many charges as bins it lies on.
        parts = np.maximum(1, np.ceil(length / self._width)).astype(int)
        self._of = np.repeat(np.arange(len(area)), parts)
        number = np.arange(len(self._of)) - np.repeat(np.cumsum(parts) - parts, parts)
        self._offset = ((number + 0.5) / parts[self._of] - 0.5) * length[self._of]
        self._area = (area / parts)[self._of]
        self._whole, self._count = float(area.sum()), len(area)
        room = np.full(int(_HEIGHT), _A_TILE)
        room[list(_BARREN)] = 0.0
        rows = np.minimum((np.arange(len(room)) / self._height).astype(int), _BINS[1] - 1)
        self._room = np.tile(np.bincount(rows, room * self._width, _BINS[1]), (_BINS[0], 1))
        waves = [np.pi * np.arange(bins) / bins for bins in _BINS]
        self._squares = (waves[0][:, None] / self._width) ** 2 + (waves[1] / self._height) ** 2
        self._squares[0, 0] = 1.0

    def push(self, x: Floats, y: Floats) -> tuple[Floats, Floats, float]:
        """Force on each cluster, and the share of area where there is no room for it."""
        bins_x, bins_y = _BINS
        across = np.clip((x[self._of] + self._offset) / self._width - 0.5, 0, bins_x - 1.001)
        down = np.clip(y[self._of] / self._height - 0.5, 0, bins_y - 1.001)
        column, row = across.astype(int), down.astype(int)
        right, low = across - column, down - row
        shares = (
            (column * bins_y + row, (1 - right) * (1 - low)),
            (column * bins_y + row + 1, (1 - right) * low),
            ((column + 1) * bins_y + row, right * (1 - low)),
            ((column + 1) * bins_y + row + 1, right * low),
        )
        parts = [np.bincount(bins, self._area * one, bins_x * bins_y) for bins, one in shares]
        full = np.sum(parts, axis=0).reshape(_BINS)
        over = float(np.maximum(full - 0.95 * self._room, 0).sum() / self._whole)
        charge = (full - self._room * (self._whole / self._room.sum())) / self._room.mean()
        waves = dctn(charge, norm="ortho") / self._squares
        waves[0, 0] = 0.0
        potential = idctn(waves, norm="ortho")
        forces = []
        for axis, size in ((0, self._width), (1, self._height)):
            slope = np.gradient(potential, size, axis=axis).ravel()
            felt = sum(slope[bins] * share for bins, share in shares)
            forces.append(np.bincount(self._of, self._area * felt, self._count))
        return forces[0], forces[1], over


class _Wires:
    """Slope of the length of all wires, where it is made smooth."""

    def __init__(self, net: _Netlist) -> None:
        self._net, self._count = net, len(net.luts)

    def _ends(self, places: Floats) -> tuple[Floats, Floats]:
        first = self._net.first
        return np.maximum.reduceat(places, first), np.minimum.reduceat(places, first)

    def slope(self, places: Floats, smooth: float) -> Floats:
        """Of each cluster; the weighted average of the ends, `smooth` in tiles."""
        first, wire = self._net.first, self._net.wire
        most, least = self._ends(places)
        found = np.zeros_like(places)
        for sign, end in ((1.0, most), (-1.0, least)):
            weight = np.exp(sign * (places - end[wire]) / smooth)
            total = np.add.reduceat(weight, first)
            mean = np.add.reduceat(places * weight, first) / total
            part = weight / total[wire] * (1 + sign * (places - mean[wire]) / smooth)
            found += sign * part
        return np.bincount(self._net.cluster, found, self._count)


class _Draw:
    """Macros and their sites."""

    def __init__(self, net: _Netlist, sites: list[Floats]) -> None:
        self._net, self._sites = net, sites
        self._macros = [np.flatnonzero(net.kind == number) for number in range(len(sites))]
        self.target = np.zeros((len(net.kind), 2))
        self.site = np.zeros(len(net.kind), dtype=int)

    def nearest(self, x: Floats, y: Floats) -> None:
        """Assign each to a site such that all together are nearest."""
        for macros, sites in zip(self._macros, self._sites, strict=True):
            away = np.abs(x[macros, None] - sites[:, 0]) + np.abs(y[macros, None] - sites[:, 1])
            self._assign(macros, sites, away**1.5)

    def shortest(self, x: Floats, y: Floats) -> None:
        """Assign each such that their own wires are shortest while all else stands."""
        net = self._net
        for macros, sites in zip(self._macros, self._sites, strict=True):
            length = np.zeros((len(macros), len(sites)))
            for number, macro in enumerate(macros):
                mine = np.flatnonzero(np.isin(net.wire, net.wire[net.cluster == macro]))
                others = mine[net.cluster[mine] != macro]
                _, starts = np.unique(net.wire[others], return_index=True)
                for axis, places in ((0, x), (1, y)):
                    ends = places[net.cluster[others]]
                    most = np.maximum.reduceat(ends, starts)[:, None]
                    least = np.minimum.reduceat(ends, starts)[:, None]
                    at = sites[:, axis]
                    out = np.maximum(at - most, 0) + np.maximum(least - at, 0)
                    length[number] += out.sum(axis=0)
            self._assign(macros, sites, length)
            x[macros], y[macros] = self.target[macros].T

    def _assign(self, macros: Ints, sites: Floats, cost: Floats) -> None:
        rows, columns = linear_sum_assignment(cost)
        self.target[macros[rows]] = sites[columns]
        self.site[macros[rows]] = columns


def sites(cells: dict[str, Any], part: str, seed: int = 1) -> dict[str, str]:
    """Site of each macro of a netlist.

    Parameters
    ----------
    cells : dict
        Cells by name, as Yosys writes them in JSON.
    part : str
        Key of `PART_SITES`.
    seed : int
        Of where the cells begin.

    Returns
    -------
    dict
        Site by cell.
    """
    kinds = PART_SITES[part]
    net = _load(cells, list(kinds))
    if not net.macros:
        return {}
    places = [
        np.array([[float(n) for n in _SITE.match(one).groups()] for one in each])  # type: ignore[union-attr]
        for each in kinds.values()
    ]
    draw, wires, count = _Draw(net, places), _Wires(net), len(net.luts)
    fields = _Field(net.luts, net.length), _Field(net.registers, net.length)
    is_macro = net.kind >= 0
    loose = _Field(np.where(is_macro, 8 * _A_TILE, 0.0), net.length)
    pins = np.bincount(net.cluster, minlength=count).astype(float)
    random = np.random.default_rng(seed)
    x, y = _WIDTH / 2 + random.normal(0, 2, count), _HEIGHT / 2 + random.normal(0, 2, count)
    speed_x, speed_y = np.zeros(count), np.zeros(count)
    strength, over, spread_at = 0.0, 1.0, _MOST_STEPS
    for step in range(_MOST_STEPS):
        smooth = max(0.5, 8 * min(1.0, 1.5 * over))
        force_x = wires.slope(x[net.cluster] + net.offset, smooth)
        force_y = wires.slope(y[net.cluster], smooth)
        luts_x, luts_y, luts_over = fields[0].push(x, y)
        registers_x, registers_y, registers_over = fields[1].push(x, y)
        over = max(luts_over, 0.7 * registers_over)
        push_x, push_y = luts_x + 0.7 * registers_x, luts_y + 0.7 * registers_y
        if step < spread_at:
            loose_x, loose_y, _ = loose.push(x, y)
            push_x, push_y = push_x + loose_x, push_y + loose_y
        if not step:
            strength = 0.02 * np.abs(force_x).sum() / (np.abs(push_x) + np.abs(push_y)).sum()
        force_x, force_y = force_x + strength * push_x, force_y + strength * push_y
        drawn = (step - spread_at) / _DRAWN
        if 0 <= drawn < 1:
            if (step - spread_at) % 10 == 0:
                draw.nearest(x, y)
            for force, own, target in ((force_x, x, 0), (force_y, y, 1)):
                away = np.clip(own - draw.target[:, target], -5, 5)
                force[is_macro] += (0.5 * drawn * pins * away)[is_macro]
        elif drawn >= 1:
            x[is_macro], y[is_macro] = draw.target[is_macro].T
        weight = np.maximum(
            1.0, pins + 0.05 * strength * (net.luts + 0.7 * net.registers + 20 * is_macro)
        )
        speed_x = 0.85 * speed_x - 0.25 * np.clip(force_x / weight, -3, 3)
        speed_y = 0.85 * speed_y - 0.25 * np.clip(force_y / weight, -3, 3)
        x = np.clip(x + speed_x, 1 + net.length / 2, _WIDTH - 2 - net.length / 2)
        y = np.clip(y + speed_y, 1, _HEIGHT - 2)
        if over > _ENOUGH:
            strength *= _GROWTH
        if over < _SPREAD and spread_at == _MOST_STEPS:
            spread_at = step + 1
        if step == spread_at + _DRAWN + _REST:
            break
    for _ in range(3):
        draw.shortest(x, y)
    names = list(kinds.values())
    return {
        name: names[net.kind[macro]][draw.site[macro]] for macro, name in sorted(net.macros.items())
    }
