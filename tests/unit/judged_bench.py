# SPDX-License-Identifier: Apache-2.0
"""Features and strategy alone in the Amaranth simulator, beside the reference, view by view."""

from typing import Any, NamedTuple

import numpy as np
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import data

from hdl.config import BuildConfig
from hdl.link.admission import IN_FLIGHT
from hdl.signal.vector import LATENCY, FeatureVector
from hdl.strategy.registers import SETTINGS
from hdl.strategy.settings import settings_layout
from hdl.strategy.strategy import Strategy, strategy_latency
from hdl.types import view_layout
from host.contract.features import FEATURE_NAMES, FEATURES_PER_RECORD
from host.contract.records import DECISION_DTYPE, FEATURES_DTYPE, IN_DTYPE, InFlag, InKind, OutKind
from host.contract.registers import REGISTERS
from sim.reference import Reference
from sim.reference_symbol import State
from tests.unit.book_bench import profile_of
from tests.unit.simulate import run

__all__ = ["Judged", "Write", "check"]

#: Everything told: features, and each intent as a decision.
TOLD = {"report": 4, "stale_us": (1 << 32) - 1, "refill_retry": 255}
_COMMON = ("rule_enable", "ratio_num", "ratio_den", "order_qty")


class Write(NamedTuple):
    """A register write between two records."""

    name: str
    value: int


class Judged(Elaboratable):
    """Features and strategy, connected as in the pipeline; views and settings come from outside."""

    def __init__(self, config: BuildConfig) -> None:
        self.features, self.strategy = FeatureVector(config), Strategy(config)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.features = features = self.features
        m.submodules.strategy = strategy = self.strategy
        m.d.comb += [
            features.i.valid.eq(strategy.i.valid),
            features.i.p.eq(strategy.i.p),
            features.ahead.eq(strategy.ahead),
            strategy.state.eq(features.row),
            strategy.ofi2.eq(features.ofi2),
            strategy.distance2.eq(features.distance2),
            strategy.volume2.eq(features.volume2),
            *(
                getattr(features, name).eq(strategy.row[name])
                for name in ("flow_decay", "average_decay", "bar_log2_us", "micro_bank")
            ),
        ]
        return m


def score_of(features: Any) -> int:
    """A score that moves with every feature and reaches both ends of its range."""
    mixed = sum((2 * at + 3) * value for at, value in enumerate(features)) * 40_503 + 12_345
    mixed &= (1 << 32) - 1
    score = mixed - (mixed >> 31 << 32)
    return score >> (mixed & 15)


def _packed(layout: data.Layout, value: Any) -> int:
    """Bits of nested dicts and lists by their layout; what is not named is 0."""
    if isinstance(value, dict):
        return sum(_packed(layout[k].shape, v) << layout[k].offset for k, v in value.items())
    if isinstance(value, list):
        return sum(_packed(layout[k].shape, v) << layout[k].offset for k, v in enumerate(value))
    return int(value)


class _Step(NamedTuple):
    """One clock with a record: the view and settings it brings, and what must come of it."""

    symbol: int
    view: int
    row: int
    common: dict[str, int]
    features: list[int] | None
    decision: tuple | None


class _Expected:
    """The reference, asked record by record."""

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        model = score_of if config.model_cycles else None
        self.reference = Reference(config.symbols, config.levels, config.qty_bits, model=model)
        self.layout, self.settings = view_layout(config), settings_layout()
        for name, value in TOLD.items():
            self.reference.write(name, value)

    def _side(self, side: Any) -> dict:
        visible = self.config.view_levels
        levels = side.levels()[:visible]
        known = side.state is State.KNOWN
        return {
            "levels": [{"price": p, "qty": q} for p, q in levels],
            "sum": side.shown().sum_lots,
            "depth": len(side.held) if known else 0,
        }

    def step(self, record: tuple) -> _Step | None:
        """What a record brings; None for one that is malformed."""
        kind, flags, symbol, _, price, value = record
        reference = self.reference
        counted = reference.counters
        out = reference.feed(np.array([record], IN_DTYPE))
        bad = [name for name in counted if name.startswith("malformed")]
        if any(reference.counters[name] != counted[name] for name in bad):
            return None
        book = reference._books[symbol]
        n_window, now_us = reference._register["trade_window"], reference._now_us
        event = kind == InKind.EVENT_END and flags & InFlag.BOOK
        reasons = 0
        if event:
            reasons = book.view_reasons(reference._n, stale=False)
        tape = book.tape
        view = {
            "kind": kind,
            "symbol": symbol,
            "side": int(bool(flags & InFlag.SIDE)),
            "book": int(bool(event)),
            "now_us": now_us,
            "value": value,
            "price": price,
            "adopt": int(bool(flags & InFlag.WHOLE)),
            "report": 4,
            "bid": self._side(book.bid),
            "ask": self._side(book.ask),
            "profile": {
                "bid": profile_of(book.bid, self.config.view_levels),
                "ask": profile_of(book.ask, self.config.view_levels),
            },
            "reasons": reasons,
            "trades": {
                "known": tape.known,
                "price": tape.price_ticks,
                "buy_volume": tape.volume(False, now_us, n_window),
                "sell_volume": tape.volume(True, now_us, n_window),
                "notional": tape.paid(now_us, n_window),
            },
        }
        row = {name: book.settings[name] for name, _, _ in SETTINGS}
        return _Step(
            symbol,
            _packed(self.layout, view),
            _packed(self.settings, row),
            {name: reference._register[name] for name in _COMMON},
            _features(out) if event else None,
            _decision(out),
        )


def _features(out: np.ndarray) -> list[int]:
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.FEATURES]).view(FEATURES_DTYPE)
    values = [int(row[f"value{n}"]) for row in rows.reshape(-1) for n in range(FEATURES_PER_RECORD)]
    return values[: len(FEATURE_NAMES)]


def _decision(out: np.ndarray) -> tuple | None:
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION]).view(DECISION_DTYPE)
    for row in rows.reshape(-1):
        names = ("qty_lots", "price_ticks", "order", "rule", "score")
        return (int(row["flags"]) & 1, *(int(row[name]) for name in names))
    return None


def check(config: BuildConfig, items, gaps=()) -> tuple[list[list[int]], list[tuple]]:
    """Feed records one a clock; every feature and every intent must be the reference's.

    To a spaced build as far apart as admission lets them come, symbol and settings ahead of the
    view as there.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    items : iterable of tuple or Write
        Records in the order of `IN_DTYPE`, and writes of registers between them.
    gaps : collection of int
        Records before which a clock passes without one.

    Returns
    -------
    tuple of list
        Vectors and intents that came, in order.
    """
    expected, steps = _Expected(config), []
    for item in items:
        if isinstance(item, Write):
            assert item.name in REGISTERS
            expected.reference.write(*item)
            if item.name == "micro_entry":
                steps.append((expected.reference._register["micro_address"], item.value))
        else:
            if len(steps) in gaps:
                steps.append(None)
            step = expected.step(item)
            if step is not None:
                steps += [step, *[None] * (IN_FLIGHT * config.spaced)]
    dut = Judged(config)
    vectors: list[list[int]] = []
    intents: list[tuple] = []
    later = strategy_latency(config)

    async def testbench(ctx):
        features, strategy = dut.features, dut.strategy
        for _ in range(100_000):
            await ctx.tick()
            if ctx.get(features.init_done) and ctx.get(strategy.init_done):
                break
        lead, settled, shown = (8, 3, 1) if config.spaced else (2, 0, 0)

        def step_at(at: int) -> Any:
            return steps[at] if 0 <= at < len(steps) else None

        for at in range(-lead, len(steps) + later + 2):
            ahead, set_for, seen, now = (step_at(at + n) for n in (lead, settled, shown, 0))
            if isinstance(ahead, _Step):
                ctx.set(strategy.ahead, ahead.symbol)
            if isinstance(set_for, _Step):
                ctx.set(strategy.row.as_value(), set_for.row)
                for name, value in set_for.common.items():
                    ctx.set(getattr(strategy, name), value)
            ctx.set(strategy.i.valid, isinstance(now, _Step))
            ctx.set(features.micro_write, isinstance(now, tuple) and not isinstance(now, _Step))
            if isinstance(seen, _Step):
                ctx.set(strategy.i.p.as_value(), seen.view)
            if isinstance(now, tuple) and not isinstance(now, _Step):
                ctx.set(features.micro_address, now[0])
                ctx.set(features.micro_entry, now[1])
            scored = at - 2 - config.score_wait + 2 * config.spaced
            told = step_at(scored)
            if config.model_cycles:
                vector = told.features if isinstance(told, _Step) else None
                ctx.set(strategy.score, score_of(vector) if vector else 0)
            told = step_at(at - LATENCY)
            vector = told.features if isinstance(told, _Step) else None
            assert ctx.get(features.o.valid) == (vector is not None), f"step {at}"
            if vector is not None:
                seen = [ctx.get(features.o.p.features[n]) for n in range(len(vector))]
                named = {
                    name: (is_, was)
                    for name, is_, was in zip(FEATURE_NAMES, seen, vector, strict=True)
                    if is_ != was
                }
                assert not named, f"step {at - LATENCY}: (was, expected) {named}"
                vectors.append(seen)
            told = step_at(at - later)
            wanted = told.decision if isinstance(told, _Step) else None
            intent = strategy.o.p
            came = ctx.get(strategy.o.valid) and ctx.get(intent.wanted)
            seen = None
            if came:
                names = ("side", "qty", "price", "order", "strategy", "score")
                seen = tuple(ctx.get(intent[name]) for name in names)
                intents.append(seen)
            assert seen == wanted, f"step {at - later}: expected {wanted}, was {seen}"
            await ctx.tick()

    run(dut, testbench)
    return vectors, intents
