# SPDX-License-Identifier: Apache-2.0
"""Seeded register settings, and whole runs of settings and records (`sim.stimulus`)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from host.contract.records import Mode
from sim.stimulus import MAX_U32, MAX_U64, home_ticks, random_stream
from sim.stimulus_strategy import random_strategy

__all__ = ["random_run", "random_settings"]

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
        ("report", pick((8, 3), (4, 1), (2, 2), (2, 0))),
        ("levels_n", pick((18, some_n), (1, 0), (0.5, 10), (0.5, 13))),
        ("trade_window", rng.choice((0, 1, 2, 4, 4, 5, 6, 8, 12, 31))),
        ("ratio_num", num),
        ("ratio_den", den),
        ("rule_enable", pick((14, 3), (2, 1), (2, 2), (1, 0))),
        ("order_qty", order_qty),
        ("refill_level", rng.choice((0, 1, 3, levels // 2, levels, 127))),
        ("refill_retry", rng.choice((0, 1, 3, 10, 255))),
        ("mode", pick((14, Mode.ACTIVE), (4, Mode.REDUCE_ONLY), (1, Mode.HALTED), (1, 3))),
        ("rate_interval_us", pick((1, 0), (4, 1), (4, 7), (4, 50), (0.2, MAX_U32))),
        ("rate_burst_us", pick((5, MAX_U32), (2, 0), (2, 10), (2, 1000))),
        ("stale_us", pick((6, MAX_U32), (1, MAX_U32 - 1), (1, 0), (1, 50), (1, 150))),
    ]
    for symbol in rng.sample(range(symbols), symbols):
        edge = qty * (home_ticks(symbol, levels) + rng.randrange(-1, 3))
        writes += [
            ("limit_permit", pick((14, 1), (1, 0))),
            ("limit_max_qty", pick((8, qty), (8, MAX_U64), (1, max(0, qty - 1)))),
            ("limit_max_notional", pick((10, MAX_U64), (4, min(edge, MAX_U64)), (1, 0))),
            ("limit_collar_ticks", pick((10, MAX_U32), (1, 0), (1, 1), (1, 2), (1, 5))),
            ("limit_max_position", pick((10, MAX_U64), (2, 3 * qty), (2, 40 * qty))),
        ]
        if rng.random() < 0.9:
            writes.append(("limit_commit", symbol))
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
