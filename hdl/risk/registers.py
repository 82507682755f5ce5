# SPDX-License-Identifier: Apache-2.0
"""Registers of the risk gate: limits of a symbol, settings of all, kill and re-arm.

What each limit does is in ``docs/risk.md``. A quantity is in lots, a price in ticks, notional in
tick lots, value in account units.
"""

from hdl.regs.register import Access, Register

__all__ = ["COUNTERS", "LIMITS", "REGISTERS", "SETTINGS"]

#: Limits of one symbol: name, bits, what it holds. All zero refuses everything.
LIMITS: tuple[tuple[str, int, str], ...] = (
    ("permit", 1, "the symbol may be traded"),
    ("mode", 2, "the symbol's `Mode`"),
    ("waive", 64, "bit n: `Reason` n is not judged, where it may be waived"),
    ("strategies", 8, "strategies that may trade the symbol, a bit each"),
    ("max_qty", 64, "quantity of an order"),
    ("min_qty", 64, "least quantity of an order"),
    ("qty_mask", 64, "quantity step: greatest power of 2 in it, less 1"),
    ("qty_inverse", 64, "quantity step: inverse of its odd part modulo 2^Q"),
    ("qty_bound", 64, "quantity step: greatest product of a multiple"),
    ("max_notional", 64, "price x quantity of an order"),
    ("collar_ticks", 32, "distance of a price from the mid"),
    ("collar_ppm", 20, "distance of a price from the mid, parts per million of it"),
    ("last_ticks", 32, "distance of a price from the last trade"),
    ("last_ppm", 20, "distance of a price from the last trade, parts per million of it"),
    ("min_price", 32, "least price"),
    ("max_price", 32, "greatest price"),
    ("tick_mask", 32, "price step: greatest power of 2 in it, less 1"),
    ("tick_inverse", 32, "price step: inverse of its odd part modulo 2^32"),
    ("tick_bound", 32, "price step: greatest product of a multiple"),
    ("duplicate_us", 32, "time in which an order may not come again"),
    ("interval_us", 32, "stream time per message of the symbol; 0 refuses"),
    ("burst_us", 32, "stream time of the symbol that may be used ahead"),
    ("window_qty", 64, "quantity of orders in the window"),
    ("window_notional", 64, "notional of orders in the window"),
    ("drift_ticks", 32, "distance of a price from the first of its drift window"),
    ("drift_us", 32, "length of the drift window"),
    ("max_repeats", 16, "orders until the throttle must be re-armed"),
    ("trade_grace", 32, "orders that need no fill"),
    ("trade_ratio", 16, "orders that each fill allows"),
    ("max_position", 64, "worst-case position on a side"),
    ("max_open", 8, "open orders"),
    ("tolerance", 64, "position that may differ from the exchange's"),
    ("max_spread", 32, "best ask less best bid"),
    ("pause_ticks", 32, "move of the mid that pauses"),
    ("pause_window_us", 32, "time in which it has to move so far"),
    ("pause_us", 32, "length of the pause"),
    ("lot_value", 32, "value of a lot for gross, net and credit"),
    ("tick_value", 16, "profit of a lot over a tick"),
)

#: Settings that hold for all symbols.
SETTINGS: tuple[tuple[str, int, str], ...] = (
    ("mode", 2, "0 HALTED, 1 REDUCE_ONLY, 2 ACTIVE"),
    ("rate_interval_us", 32, "stream time per message, microseconds; 0 refuses"),
    ("rate_burst_us", 32, "stream time that may be used ahead, microseconds"),
    ("risk_window", 5, "w: windows of quantity and notional are of 2 buckets of 2^w microseconds"),
    ("max_gross", 64, "gross value over all symbols"),
    ("max_net", 64, "net value over all symbols, either way"),
    ("max_open_orders", 16, "open orders of all symbols"),
    ("credit_age_us", 32, "oldest credit that may be spent, microseconds"),
    ("max_losses", 8, "losing round trips one after the other"),
    ("max_day_loss", 64, "loss of the day, profit units"),
    ("max_window_loss", 64, "loss in the loss window, profit units"),
    ("max_drawdown", 64, "fall from the day's best, profit units"),
    ("loss_window", 6, "w: the loss window is of 4 buckets of 2^w microseconds"),
    ("loss_kill", 3, "loss limits that kill; bit 0: day, 1: window, 2: drawdown"),
    ("clock_step", 32, "device time of a cycle, 2^-32 microseconds"),
    ("clock_drift_us", 32, "stream time may part so far from device time, microseconds"),
    ("watchdog_late_cycles", 32, "cycles without a heartbeat until only exits pass; 0: never"),
    ("watchdog_dead_cycles", 32, "cycles without a heartbeat until the kill latch; 0: never"),
)

COUNTERS: tuple[tuple[str, str], ...] = (
    ("orders", "orders the gate accepted"),
    ("refusals", "orders the gate refused"),
    ("report_faults", "reports that were unknown or impossible, and changed nothing"),
    ("reconcile_faults", "reconciliations that found a difference over the tolerance"),
    ("kills", "times the kill latch was set"),
)

REGISTERS: tuple[Register, ...] = (
    *(Register(name, bits, Access.RW, doc) for name, bits, doc in SETTINGS),
    Register("kill", 32, Access.WO, "any value: the kill latch is set"),
    Register(
        "rearm", 32, Access.WO, "0x0DD50001, then 0x0DD50002, in mode HALTED: kill latch cleared"
    ),
    Register("kill_causes", 4, Access.RO, "`KillCause` bits of the kill latch, 0: not set"),
    *(Register(f"limit_{name}", bits, Access.RW, f"shadow: {doc}") for name, bits, doc in LIMITS),
    Register(
        "limit_commit", 32, Access.WO, "symbol number: its limits become the shadow, all at once"
    ),
    Register("limits_version", 32, Access.RO, "limit commits since reset"),
    Register("limit_select", 8, Access.RW, "symbol whose committed limits `limit_in_force` names"),
    Register(
        "limit_in_force", 32, Access.RO, "checksum, and in the upper half number, of its commit"
    ),
)
