# SPDX-License-Identifier: Apache-2.0
"""Seeded register settings, and whole runs of settings and records (`sim.stimulus`)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from host.contract.records import Mode, Reason
from host.execution.steps import step
from sim.stimulus import MAX_U32, MAX_U64, home_ticks, random_stream
from sim.stimulus_strategy import random_strategy

__all__ = ["random_run", "random_settings"]

#: Words that clear the kill latch, one after the other.
REARM_KEYS = (0x0DD50001, 0x0DD50002)

#: Register writes in order: name and value.
Settings = list[tuple[str, int]]


def random_settings(seed: int, symbols: int = 16, levels: int = 32, qty_bits: int = 48) -> Settings:
    """Register writes that leave rule and gate in a state where little is certain.

    Every check of the gate is set so that it refuses some orders and lets others through, and
    now and then so that it refuses all or none. Some settings reset a symbol.

    Parameters
    ----------
    seed : int
        The same arguments give the same writes.
    symbols, levels, qty_bits : int
        Build parameters.

    Returns
    -------
    list of (str, int)
        Register names and values, to be written in order.
    """
    rng = random.Random(seed)
    max_qty = (1 << qty_bits) - 1

    def pick(*weighted: tuple[float, int]) -> int:
        """One of the (weight, value) pairs."""
        return rng.choices([value for _, value in weighted], [weight for weight, _ in weighted])[0]

    order_qty = pick((1, 0), (8, 1), (12, 5), (4, max_qty), (2, 1 << 62), (1, MAX_U64))
    qty = min(order_qty, max_qty)  # what an order is for
    num, den = rng.choice(((1, 1), (1, 1), (2, 1), (3, 2), (1, 2), (0, 1), (65535, 65534)))
    some_n = rng.choice((1, 1, 2, 3, min(5, levels), min(10, levels)))
    writes = [
        ("mode", Mode.HALTED),
        ("rearm", REARM_KEYS[0]),
        ("rearm", REARM_KEYS[1]),
        ("report", pick((8, 3), (4, 1), (2, 2), (2, 0))),
        ("levels_n", pick((18, some_n), (1, 0), (0.5, 10), (0.5, 13))),
        ("trade_window", rng.choice((0, 1, 2, 4, 4, 5, 6, 8, 12, 31))),
        ("ratio_num", num),
        ("ratio_den", den),
        ("rule_enable", pick((14, 3), (2, 1), (2, 2), (1, 0))),
        ("order_qty", order_qty),
        ("refill_level", rng.choice((0, 1, 3, levels // 2, levels, 127))),
        ("refill_retry", rng.choice((0, 1, 3, 10, 255))),
        ("mode", pick((16, Mode.ACTIVE), (2, Mode.REDUCE_ONLY), (1, Mode.HALTED), (1, 3))),
        ("rate_interval_us", pick((1, 0), (4, 1), (4, 7), (4, 50), (0.2, MAX_U32))),
        ("rate_burst_us", pick((5, MAX_U32), (2, 0), (2, 10), (2, 1000))),
        ("stale_us", pick((6, MAX_U32), (1, MAX_U32 - 1), (1, 0), (1, 50), (1, 150))),
    ]
    writes += _account(rng, qty)
    for symbol in rng.sample(range(symbols), symbols):
        edge = qty * (home_ticks(symbol, levels) + rng.randrange(-1, 3))
        writes += [
            ("limit_permit", pick((14, 1), (1, 0))),
            ("limit_max_qty", pick((2, qty), (16, MAX_U64), (1, max(0, qty - 1)))),
            ("limit_max_notional", pick((40, MAX_U64), (4, min(edge, MAX_U64)), (1, 0))),
            ("limit_collar_ticks", pick((24, MAX_U32), (1, 0), (1, 1), (1, 2), (1, 5))),
            ("limit_max_position", pick((10, MAX_U64), (3, 3 * qty), (2, 40 * qty))),
            *_controls(rng, qty, qty_bits, home_ticks(symbol, levels)),
        ]
        if rng.random() < 0.9:
            writes.append(("limit_commit", symbol))
    if rng.random() < 0.02:
        writes.append(("kill", rng.getrandbits(32)))
    none = rng.choice((symbols, 256, 1 << 31, MAX_U32))  # a symbol that is not there
    if rng.random() < 0.3:
        writes.append(("limit_commit", none))
    if rng.random() < 0.25:
        writes.append(("symbol_reset", pick((5, rng.randrange(symbols)), (1, none))))
    if rng.random() < 0.5:
        writes += random_strategy(seed, symbols, qty_bits)
    if rng.random() < 0.3:
        writes.append(("report", 4 | rng.randrange(4)))
    return [(name, min(int(value), MAX_U64)) for name, value in writes]


def _account(rng: random.Random, qty: int) -> Settings:
    """Settings over all symbols."""
    some = max(1, qty)
    return [
        ("risk_window", rng.choice((0, 4, 8, 12))),
        ("max_gross", rng.choice((0, 8 * some, 100 * some, MAX_U64))),
        ("max_net", rng.choice((0, 4 * some, 50 * some, MAX_U64))),
        ("max_open_orders", rng.choice((0, 2, 8, 0xFFFF))),
        ("credit_age_us", rng.choice((0, 100, MAX_U32))),
        ("max_losses", rng.choice((0, 1, 2, 255))),
        ("max_day_loss", rng.choice((0, 100, 10_000, MAX_U64))),
        ("max_window_loss", rng.choice((0, 100, 10_000, MAX_U64))),
        ("max_drawdown", rng.choice((0, 100, 10_000, MAX_U64))),
        ("loss_window", rng.choice((0, 5, 10, 40, 63))),
        ("loss_kill", rng.choice((0,) * 30 + (1, 2, 4))),
        ("clock_drift_us", rng.choice((0, 20, 1000, MAX_U32))),
    ]


def _controls(rng: random.Random, qty: int, qty_bits: int, home: int) -> Settings:
    """Limits of a symbol beyond the first ones; most of the controls are waived."""
    waivable = [reason for reason in Reason if reason > Reason.BOOK]
    judged = rng.sample(waivable, rng.choice((0, 0, 0, 0, 1, 2, 4)))
    if rng.random() < 0.01:
        judged = waivable
    qty_step = step(rng.choice((1, 2, 3, 5, 10)), qty_bits)
    tick_step = step(rng.choice((1, 2, 3, 7, 10)), 32)
    bound = rng.choice((MAX_U32, home, home + 1))
    return [
        ("limit_mode", rng.choice((2,) * 30 + (1, 0, 3))),
        ("limit_waive", MAX_U64 & ~sum(1 << reason for reason in judged)),
        ("limit_strategies", rng.choice((0, 1, 2, 255))),
        ("limit_min_qty", rng.choice((0, qty, qty + 1))),
        ("limit_qty_mask", qty_step.mask),
        ("limit_qty_inverse", qty_step.inverse),
        ("limit_qty_bound", qty_step.bound),
        ("limit_collar_ppm", rng.choice((0, 1, 10_000, 1_000_000, (1 << 20) - 1))),
        ("limit_last_ticks", rng.choice((0, 1, 3, MAX_U32))),
        ("limit_last_ppm", rng.choice((0, 1, 10_000, 1_000_000, (1 << 20) - 1))),
        ("limit_min_price", rng.choice((0, 1, home))),
        ("limit_max_price", bound),
        ("limit_tick_mask", tick_step.mask),
        ("limit_tick_inverse", tick_step.inverse),
        ("limit_tick_bound", tick_step.bound),
        ("limit_duplicate_us", rng.choice((1, 100, MAX_U32))),
        ("limit_interval_us", rng.choice((0, 1, 50, 1000))),
        ("limit_burst_us", rng.choice((0, 100, MAX_U32))),
        ("limit_window_qty", rng.choice((0, 2 * qty, 10 * qty))),
        ("limit_window_notional", min(MAX_U64, rng.choice((0, 3 * qty * home)))),
        ("limit_drift_ticks", rng.choice((0, 1, 3))),
        ("limit_drift_us", rng.choice((10, 1000, MAX_U32))),
        ("limit_max_repeats", rng.choice((0, 1, 5, 0xFFFF))),
        ("limit_trade_grace", rng.choice((0, 1, 10, MAX_U32))),
        ("limit_trade_ratio", rng.choice((0, 1, 3))),
        ("limit_max_open", rng.choice((0, 1, 3, 255))),
        ("limit_tolerance", rng.choice((0, 3, MAX_U64))),
        ("limit_max_spread", rng.choice((0, 1, 2, MAX_U32))),
        ("limit_pause_ticks", rng.choice((0, 1, 3))),
        ("limit_pause_window_us", rng.choice((0, 100, MAX_U32))),
        ("limit_pause_us", rng.choice((0, 30, 1000))),
        ("limit_lot_value", rng.choice((0, 1, 7, MAX_U32))),
        ("limit_tick_value", rng.choice((0, 1, 3, 0xFFFF))),
    ]


def random_run(
    seed: int,
    length: int,
    symbols: int = 16,
    levels: int = 32,
    qty_bits: int = 48,
    *,
    chunk: int = 1000,
    faults: float = 0.003,
) -> Iterator[tuple[Settings, npt.NDArray[Any]]]:
    """A random stream in chunks, with random settings to be written before each.

    Parameters
    ----------
    seed : int
        The same arguments give the same run.
    length : int
        Records in all chunks together.
    symbols, levels, qty_bits : int
        Build parameters.
    chunk : int
        Records a chunk; the last one may be shorter.
    faults : float
        See `random_stream`.

    Yields
    ------
    settings : list of (str, int)
        Register names and values, to be written in order.
    records : ndarray of IN_DTYPE
        Records to be fed after them.
    """
    records = random_stream(seed, length, symbols, levels, qty_bits, faults=faults)
    for at in range(0, length, chunk):
        settings = random_settings(seed * 1_000_003 + at, symbols, levels, qty_bits)
        yield settings, records[at : at + chunk]
