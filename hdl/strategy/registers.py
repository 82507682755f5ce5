# SPDX-License-Identifier: Apache-2.0
"""Settings of a symbol's signals and strategy, and their registers.

Each setting is a shadow register of its name with ``strategy_`` in front. Writing a symbol's number
to ``strategy_commit`` makes the shadow the symbol's settings, all at once.
"""

from hdl.regs.register import Access, Register

__all__ = ["COUNTERS", "REGISTERS", "SETTINGS"]

#: Settings in the order of the row: name, width in bits, what it is.
SETTINGS: tuple[tuple[str, int, str], ...] = (
    ("active", 1, "1: these settings rule; 0: registers rule_enable, ratio_* and order_qty do"),
    ("flow_decay", 4, "k of flows: about 2^k events back, at most 8"),
    ("average_decay", 4, "k of averages, at most 8"),
    ("bar_log2_us", 6, "bars of 2^this microseconds"),
    ("micro_bank", 1, "which micro-price table is read"),
    ("sides", 2, "entries: bit 0 may buy, bit 1 may sell"),
    ("combine", 2, "0 any rule, 1 all rules, 2 weights over weight_least, 3 none"),
    ("weight_least", 9, "least sum of weights"),
    ("weights", 30, "6 bits a rule: imbalance, VWAP, flow, wall, model"),
    ("imbalance_sides", 2, "depth imbalance: bit 0 may buy, bit 1 may sell"),
    ("imbalance_num", 16, "its ratio, numerator"),
    ("imbalance_den", 16, "its ratio, denominator"),
    ("vwap_sides", 2, "VWAP reversion: bit 0 may buy, bit 1 may sell"),
    ("vwap_half_ticks", 16, "its distance from the mid, half ticks"),
    ("flow_sides", 2, "flow momentum: bit 0 may buy, bit 1 may sell"),
    ("flow_num", 16, "its ratio of trade volumes, numerator"),
    ("flow_den", 16, "its ratio of trade volumes, denominator"),
    ("flow_lots", 64, "its least leaky order flow, lots"),
    ("wall_sides", 2, "walls: bit 0 may buy, bit 1 may sell"),
    ("wall_invert", 1, "0 trades away from a wall, 1 through it"),
    ("wall_num", 8, "least share of a wall in its side's sum, numerator"),
    ("wall_den", 8, "least share of a wall in its side's sum, denominator"),
    ("wall_ticks", 16, "greatest distance of a wall from the best price, ticks"),
    ("model_mode", 2, "0 off, 1 a rule, 2 and 3 a filter of the others"),
    ("model_sides", 2, "model: bit 0 may buy, bit 1 may sell"),
    ("model_least", 31, "least score for a buy, its negative the greatest for a sell, Q15.16"),
    ("filters", 7, "bit 0 spread, 1 edge, 2 cancels, 3 volatility, 4 liquidity, 5 pause, 6 flat"),
    ("spread_ticks", 32, "greatest spread, ticks"),
    ("edge_ticks", 16, "expected gain if right, 1/16 tick"),
    ("edge_probability", 8, "probability where no model says one, 1/256"),
    ("edge_cost", 16, "fees and slippage, 1/16 tick"),
    ("cancel_share", 8, "greatest share of cancels in what left the touch, 1/256"),
    ("volatility_source", 1, "0 true range of bars, 1 mean change of the mid"),
    ("volatility_high", 32, "from here on volatility is high, half ticks/256"),
    ("volatility_extreme", 32, "from here on it is extreme, half ticks/256"),
    ("liquidity_lots", 64, "least sum of N on each side, lots"),
    ("pause_us", 32, "stream time after an order without an entry, microseconds"),
    ("size_scaled", 1, "0: size is qty_most; 1: from qty_least to it by score"),
    ("qty_least", 64, "smallest order, lots"),
    ("qty_most", 64, "largest order, lots"),
    ("score_step", 32, "score over model_least for each quarter of the size, Q15.16"),
    ("high_shift", 3, "size is divided by 2^this in high volatility"),
    ("entry_order", 8, "byte order of entries"),
    ("entry_protect", 16, "protection of an entry's price, ticks"),
    ("exit_order", 8, "byte order of exits"),
    ("exit_protect", 16, "protection of an exit's price, ticks"),
    ("exits", 5, "bit 0 stop, 1 take profit, 2 trailing, 3 time, 4 liquidity"),
    ("stop_ticks", 24, "hard stop, ticks, where stop_ranges is 0"),
    ("stop_ranges", 8, "hard stop, 1/16 of the average true range"),
    ("take_ticks", 24, "take profit, ticks"),
    ("trail_ticks", 24, "gain from which the trailing stop is armed, ticks"),
    ("trail_eighths", 4, "share of the best gain it locks, 1/8; above 8 acts as 8"),
    ("time_us", 40, "time stop, microseconds of stream time"),
    ("exit_lots", 64, "liquidity exit: least sum of N on the side that would be taken, lots"),
    ("exit_retry_us", 32, "stream time after an exit without a report before the next"),
    ("flatten", 1, "1: leave the position, enter nothing"),
)

REGISTERS: tuple[Register, ...] = (
    *(
        Register(f"strategy_{name}", bits, Access.RW, f"shadow: {doc}")
        for name, bits, doc in SETTINGS
    ),
    Register(
        "strategy_commit",
        32,
        Access.WO,
        "symbol number: its strategy settings become the shadow, all at once",
    ),
    Register("strategy_version", 32, Access.RO, "strategy commits since reset"),
    Register(
        "micro_address", 16, Access.RW, "symbol x 256 + bank x 128 + entry of a micro-price table"
    ),
    Register("micro_entry", 18, Access.WO, "entry at micro_address, signed ticks in Q9.8"),
)

COUNTERS: tuple[tuple[str, str], ...] = (
    ("entries", "entries wanted"),
    ("exits", "exits wanted"),
    ("filtered", "entries that a filter held back"),
    ("reconciles", "positions stated by the host"),
)
