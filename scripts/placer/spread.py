# SPDX-License-Identifier: Apache-2.0
"""Where groups of cells would stand if a tile could hold any part of them.

All begin in the middle. The smooth length of all wires draws them together, the field of those that
have no room drives them apart, stronger from step to step, and late paths are drawn together by
weights of their own. When most have room, block RAM and multipliers are drawn to the sites whose
assignment is the best of all, step by step, while the others give way.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

from .field import Field
from .groups import MACRO, TILES, Groups
from .packed import LUT, REGISTER, Packed
from .part import COLUMNS, ROWS, SITES, Numbers, wire_ns
from .paths import Paths

__all__ = ["Drawn", "Spread", "spread"]

#: Wires with more ends than that say nothing of where a cell belongs.
_MOST_ENDS = 1500
#: Share of the cells without room: macros are drawn to sites from the first on, and from the second
#: on it is enough. Steps until macros stand, and behind that; steps at most.
_MACROS, _ENOUGH, _DRAWN, _REST, _STEPS = 0.3, 0.12, 300, 100, 12000
#: Steps between two looks at the paths, and the share without room from which on it is worth it.
_LOOK, _TIMED = 10, 0.8
#: A late way is at most so many times as strong as one that is as late as the goal.
_MOST = 10.0
#: Room that a macro takes until it has a site, LUTs.
_LOOSE = 40.0


class Spread(NamedTuple):
    """What came of it.

    Attributes
    ----------
    x, y : array
        Column and row of the middle of each group.
    site : array
        Of each group: number of the site of a macro, else -1.
    """

    x: Numbers
    y: Numbers
    site: Numbers


class _Wires(NamedTuple):
    """Groups on each wire, and where on a group the wire begins, tiles from its middle."""

    first: Numbers
    group: Numbers
    offset: Numbers


class Drawn(NamedTuple):
    """How late paths are drawn together.

    Attributes
    ----------
    goal_ns : float
        Paths that take longer are made shorter at the cost of wire.
    pull : float
        Weight of a way that is as late as the goal; a wire's is 1.
    density : float
        Share of the places of a tile that is used where cells are crowded, 0 to 1.
    growth : float
        How much stronger cells drive each other apart from step to step.
    """

    goal_ns: float
    pull: float
    density: float
    growth: float


def spread(packed: Packed, groups: Groups, paths: Paths, drawn: Drawn, seed: int) -> Spread:
    """Spread the groups of a design.

    Parameters
    ----------
    drawn : Drawn
        How late paths are drawn together.
    seed : int
        Of where cells begin.
    """
    return _Spreading(packed, groups, paths, drawn, seed).run()


class _Spreading:
    """Groups on their way; behind them, as groups that stay, cells whose sites are given."""

    def __init__(
        self, packed: Packed, groups: Groups, paths: Paths, drawn: Drawn, seed: int
    ) -> None:
        self.paths, self.goal_ns, self.pull = paths, drawn.goal_ns, drawn.pull
        self.growth = drawn.growth
        self.count = len(groups.kind)
        fixed = np.flatnonzero(groups.of < 0)
        of = groups.of.copy()
        of[fixed] = self.count + np.arange(len(fixed))
        self.total = self.count + len(fixed)
        offset = np.where(groups.of >= 0, groups.tile - (groups.tiles[groups.of] - 1) / 2, 0.0)
        self.wires = _wires(packed, of, offset)
        self.ends = packed.way_driver, packed.way_receiver
        self.driver, self.receiver = of[self.ends[0]], of[self.ends[1]]
        self.offset = offset[self.ends[0]] - offset[self.ends[1]]
        self.weight = np.zeros(len(packed.ways))
        random = np.random.default_rng(seed)
        self.x = 63 + random.normal(0, 3, self.total)
        self.y = 47 + random.normal(0, 3, self.total)
        for at, number in enumerate(fixed.tolist()):
            self.x[self.count + at], self.y[self.count + at] = packed.fixed(number)
        kinds = np.array(packed.kinds)
        more = np.zeros(len(fixed))
        self.length = np.r_[groups.tiles.astype(float), more + 1]
        self.luts, self.registers = (
            np.bincount(of, kinds == kind, self.total) for kind in (LUT, REGISTER)
        )
        self.macros = {
            kind: np.array(
                [
                    group
                    for group in np.flatnonzero(groups.kind == MACRO).tolist()
                    if packed.kinds[groups.cells[group][0]] == kind
                ],
                np.int64,
            )
            for kind in SITES
        }
        self.macro = np.r_[groups.kind == MACRO, more > 0]
        # A group of whole tiles leaves nothing free in them.
        each = np.where(np.r_[groups.kind == TILES, more > 0], 1.0, 1.0 / drawn.density)
        self.fields = [Field(one * each, self.length) for one in (self.luts, self.registers)]
        self.loose = Field(np.where(self.macro, _LOOSE, 0.0), self.length)
        self.target = np.zeros((2, self.total))
        self.site = np.full(self.count, -1)

    def run(self) -> Spread:
        """Step after step."""
        pins = np.bincount(self.wires.group, minlength=self.total).astype(float)
        speed = np.zeros((2, self.total))
        strength, over, macros_at = 0.0, 1.0, _STEPS
        for step in range(_STEPS):
            force = self._pull(max(0.5, 8 * min(1.0, 1.5 * over)), step, over)
            pushes = [field.push(self.x, self.y) for field in self.fields]
            over = max(each[2] for each in pushes)
            if step < macros_at:
                pushes.append(self.loose.push(self.x, self.y))
            push = np.array([sum(each[axis] for each in pushes) for axis in (0, 1)])
            if not step:
                strength = 0.02 * np.abs(force[0]).sum() / max(np.abs(push).sum(), 1e-9)
            force += strength * push
            drawn = (step - macros_at) / _DRAWN
            if drawn >= 0:
                self._draw(force, pins, drawn, step - macros_at)
            weight = np.maximum(
                1.0, pins + 0.05 * strength * (self.luts + self.registers + 20 * self.macro)
            )
            weight += np.bincount(self.driver, self.weight, self.total)
            weight += np.bincount(self.receiver, self.weight, self.total)
            speed = 0.85 * speed - 0.25 * np.clip(force / weight, -3, 3)
            speed[:, self.count :] = 0
            if drawn >= 1:
                speed[:, self.macro] = 0
            self._move(speed)
            if over > 0.04:
                strength *= self.growth
            if over < _MACROS and macros_at == _STEPS:
                macros_at = step + 1
            if over < _ENOUGH and step > macros_at + _DRAWN + _REST:
                break
        return Spread(self.x[: self.count], self.y[: self.count], self.site)

    def _pull(self, smooth: float, step: int, over: float) -> Numbers:
        """What draws the groups together."""
        force = np.zeros((2, self.total))
        for axis, at in enumerate((self.x, self.y)):
            offset = self.wires.offset if not axis else np.zeros_like(self.wires.offset)
            _wire_force(self.wires.first, self.wires.group, offset, at, smooth, force[axis])
        if step > 5 * _LOOK and over < _TIMED and step % _LOOK == 0:
            self._weigh()
        _way_force(
            *(self.driver, self.receiver, self.offset, self.weight),
            *(self.x, self.y, force, max(1.0, smooth)),
        )
        return force

    def _move(self, speed: Numbers) -> None:
        self.x += speed[0]
        self.y += speed[1]
        half = (self.length[: self.count] - 1) / 2
        self.x[: self.count] = np.clip(self.x[: self.count], COLUMNS[0] + half, COLUMNS[1] - half)
        self.y[: self.count] = np.clip(self.y[: self.count], *ROWS)

    def _weigh(self) -> None:
        """Weights of ways grow while the paths through them are late, and fall behind it."""
        across = np.abs(self.x[self.driver] - self.x[self.receiver] + self.offset)
        down = np.abs(self.y[self.driver] - self.y[self.receiver])
        slowest, through = self.paths.through(wire_ns(across + down))
        late = through / max(self.goal_ns, 0.8 * slowest)
        self.weight *= np.where(late > 1, np.minimum(1.3, late**2), np.maximum(0.85, late))
        np.maximum(self.weight, self.pull * np.clip(late, 0, 1) ** 10, out=self.weight)
        np.minimum(self.weight, _MOST * self.pull, out=self.weight)
        self.weight[self.weight < 0.02 * self.pull] = 0

    def _draw(self, force: Numbers, pins: Numbers, drawn: float, since: int) -> None:
        """Draw macros to sites, and in the end put them there."""
        if drawn >= 1:
            self.x[self.macro], self.y[self.macro] = self.target[:, self.macro]
            return
        if since % _LOOK == 0:
            for kind, macros in self.macros.items():
                sites = np.array([(x, y) for x, y, _ in SITES[kind]], float)
                away = np.abs(self.x[macros, None] - sites[:, 0])
                away += np.abs(self.y[macros, None] - sites[:, 1])
                rows, columns = linear_sum_assignment(away**1.5)
                self.target[:, macros[rows]] = sites[columns].T
                self.site[macros[rows]] = columns
        for axis, at in enumerate((self.x, self.y)):
            away = np.clip(at - self.target[axis], -5, 5)
            force[axis, self.macro] += (0.5 * drawn * pins * away)[self.macro]


def _wires(packed: Packed, of: Numbers, offset: Numbers) -> _Wires:
    first, cells = [0], list[int]()
    for wire, _ in packed.wires():
        on = packed.on(wire)
        if len(on) <= _MOST_ENDS and len(set(of[on].tolist())) > 1:
            cells += on
            first.append(len(cells))
    return _Wires(np.array(first), of[cells], offset[cells])


@njit(cache=True, fastmath=True)
def _wire_force(first, group, offset, at, smooth, force):  # type: ignore[no-untyped-def]
    """Slope of the weighted-average length of all wires along one axis."""
    for wire in range(len(first) - 1):
        n0, n1 = first[wire], first[wire + 1]
        low, high = 1e9, -1e9
        for n in range(n0, n1):
            low = min(low, at[group[n]] + offset[n])
            high = max(high, at[group[n]] + offset[n])
        plus = minus = plus_at = minus_at = 0.0
        for n in range(n0, n1):
            v = at[group[n]] + offset[n]
            p, m = np.exp((v - high) / smooth), np.exp((low - v) / smooth)
            plus, minus = plus + p, minus + m
            plus_at, minus_at = plus_at + v * p, minus_at + v * m
        for n in range(n0, n1):
            v = at[group[n]] + offset[n]
            p, m = np.exp((v - high) / smooth) / plus, np.exp((low - v) / smooth) / minus
            force[group[n]] += p * (1 + (v - plus_at / plus) / smooth)
            force[group[n]] -= m * (1 - (v - minus_at / minus) / smooth)


@njit(cache=True, fastmath=True)
def _way_force(drivers, receivers, offset, weight, x, y, force, smooth):  # type: ignore[no-untyped-def]
    """Slope of the smooth length of ways, each by its weight."""
    for n in range(len(weight)):
        one, other = drivers[n], receivers[n]
        if weight[n] <= 0 or one == other:
            continue
        dx, dy = x[one] - x[other] + offset[n], y[one] - y[other]
        pull_x = weight[n] * dx / np.sqrt(dx * dx + smooth * smooth)
        pull_y = weight[n] * dy / np.sqrt(dy * dy + smooth * smooth)
        force[0, one] += pull_x
        force[0, other] -= pull_x
        force[1, one] += pull_y
        force[1, other] -= pull_y
