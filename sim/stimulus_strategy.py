# SPDX-License-Identifier: Apache-2.0
"""Seeded strategy settings that leave little certain: every rule, filter and exit at its edge."""

from __future__ import annotations

import random

from sim.stimulus import MAX_U64

__all__ = ["random_strategy"]

#: Entries of a symbol's two micro-price tables that a run writes.
_ENTRIES = 40
ORDERS = (0x11, 0x21, 0x31, 0x12, 0x22, 0x32, 0x00, 0xFF)


def random_strategy(seed: int, symbols: int, qty_bits: int) -> list[tuple[str, int]]:
    """Register writes that set every symbol's signals and strategy.

    Parameters
    ----------
    seed : int
        The same arguments give the same writes.
    symbols, qty_bits : int
        Build parameters.

    Returns
    -------
    list of (str, int)
        Register names and values, to be written in order.
    """
    rng = random.Random(seed * 7919 + 17)
    writes: list[tuple[str, int]] = []
    for symbol in rng.sample(range(symbols), symbols):
        for _ in range(_ENTRIES):
            writes += [
                ("micro_address", 256 * symbol + rng.randrange(256)),
                ("micro_entry", rng.choice((0, 1, (1 << 17) - 1, 1 << 17, rng.getrandbits(18)))),
            ]
        row = _row(rng, (1 << qty_bits) - 1)
        names = [name for name in row if rng.random() < 0.9]
        writes += [(f"strategy_{name}", row[name]) for name in names]
        if rng.random() < 0.95:
            writes.append(("strategy_commit", symbol))
    if rng.random() < 0.2:
        writes.append(("strategy_commit", rng.choice((symbols, 256, 1 << 31))))
    return writes


def _row(rng: random.Random, most_qty: int) -> dict[str, int]:
    """Settings of one symbol."""

    def sides() -> int:
        return rng.choice((0, 1, 2, 3, 3, 3))

    def some(*values: int) -> int:
        return rng.choice(values)

    lots = (0, 1, 3, 10, 100, most_qty // 2, most_qty, MAX_U64)
    return {
        "active": some(1, 1, 0),
        "flow_decay": some(0, 1, 3, 8, 9, 15),
        "average_decay": some(0, 2, 5, 8, 12),
        "bar_log2_us": some(0, 3, 6, 10, 40, 63),
        "micro_bank": rng.getrandbits(1),
        "sides": some(0, 1, 2, 3, 3, 3, 3, 3),
        "combine": some(0, 0, 0, 0, 1, 2, 2, 3),
        "weight_least": some(0, 1, 20, 63, 64, 126, 511),
        "weights": rng.getrandbits(30),
        "imbalance_sides": sides(),
        "imbalance_num": some(0, 1, 2, 3, 65535),
        "imbalance_den": some(1, 1, 2, 0, 65535),
        "vwap_sides": sides(),
        "vwap_half_ticks": some(0, 1, 2, 5, 40, 65535),
        "flow_sides": sides(),
        "flow_num": some(0, 1, 2, 65535),
        "flow_den": some(1, 1, 0, 65535),
        "flow_lots": some(0, 0, 1, 5, 50, MAX_U64),
        "wall_sides": sides(),
        "wall_invert": rng.getrandbits(1),
        "wall_num": some(0, 1, 1, 2, 255),
        "wall_den": some(1, 2, 3, 255),
        "wall_ticks": some(0, 1, 3, 65535),
        "model_mode": some(0, 0, 0, 1, 2, 3),
        "model_sides": sides(),
        "model_least": some(0, 0, 1, 1 << 15, 1 << 17, (1 << 31) - 1),
        "filters": some(0, 0, 0, 0, 0, 0, 127, 1 << rng.randrange(7), rng.getrandbits(7)),
        "spread_ticks": some(0, 1, 2, 4, (1 << 32) - 1),
        "edge_ticks": some(0, 16, 64, 400, 65535),
        "edge_probability": some(0, 128, 200, 255),
        "edge_cost": some(0, 1, 16, 65535),
        "cancel_share": some(0, 1, 128, 250, 255),
        "volatility_source": rng.getrandbits(1),
        "volatility_high": some(0, 1, 256, 700, 3000, (1 << 32) - 1),
        "volatility_extreme": some(0, 257, 900, 5000, (1 << 32) - 1),
        "liquidity_lots": rng.choice(lots),
        "pause_us": some(0, 0, 0, 1, 1, 10, 100, 3000, (1 << 32) - 1),
        "size_scaled": rng.getrandbits(1),
        "qty_least": rng.choice(lots),
        "qty_most": rng.choice(lots[1:]),
        "score_step": some(0, 1, 1 << 15, (1 << 32) - 1),
        "high_shift": rng.randrange(8),
        "entry_order": rng.choice(ORDERS),
        "entry_protect": some(0, 1, 5, 65535),
        "exit_order": rng.choice(ORDERS),
        "exit_protect": some(0, 1, 5, 65535),
        "exits": some(0, 31, 1 << rng.randrange(5), rng.getrandbits(5)),
        "stop_ticks": some(0, 1, 2, 5, (1 << 24) - 1),
        "stop_ranges": some(0, 0, 1, 16, 64, 255),
        "take_ticks": some(0, 1, 2, 5, (1 << 24) - 1),
        "trail_ticks": some(0, 1, 2, 5, (1 << 24) - 1),
        "trail_eighths": some(0, 1, 4, 7, 8, 15),
        "time_us": some(0, 1, 100, 5000, (1 << 40) - 1),
        "exit_lots": rng.choice(lots),
        "exit_retry_us": some(0, 1, 50, 1000, (1 << 32) - 1),
        "flatten": some(0, 0, 0, 0, 1),
    }
