# SPDX-License-Identifier: Apache-2.0
"""The registers a session writes: every setting and every limit, none left to its reset value."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from host.contract.records import ORDER_LIMIT_IOC, Mode, Reason, Rule
from host.driver.config import RunConfig
from host.driver.units import Instrumented, Units
from host.execution.steps import step
from host.settings import REFILL_RETRY_EVENTS, Write

__all__ = ["Budget", "clock_writes", "global_writes", "limit_writes", "strategy_writes"]

_MOST_U32 = (1 << 32) - 1
_MOST_U64 = (1 << 64) - 1
#: Windows of quantity and notional are of 2 x 2^20 microseconds.
_RISK_WINDOW = 20
_TRADE_WINDOW = 20
#: The loss window is of 4 x 2^30 microseconds: 3 to 4 times 1074 s, never less than 53 minutes.
_LOSS_WINDOW = 30
_KILL_DAY, _KILL_DRAWDOWN = 1, 4
_SIDES = {"buy": 1, "sell": 2, "both": 3}
_STOP, _TAKE, _TRAIL, _TIME = 1, 2, 4, 8


@dataclass(frozen=True)
class Budget:
    """What a symbol may do now.

    Attributes
    ----------
    order_lots, position_lots : int
        Size of an entry, and the largest position; 0: nothing is entered.
    price : Decimal
        What a unit of it costs.
    """

    order_lots: int
    position_lots: int
    price: Decimal


def global_writes(config: RunConfig, units: Units, equity: Decimal, gross: Decimal) -> list[Write]:
    """Settings of all symbols; `mode` stays as it is.

    Parameters
    ----------
    config : RunConfig
        The configuration.
    units : Units
        Units of values and profit.
    equity : Decimal
        Equity that losses are shares of.
    gross : Decimal
        Most value of all positions and open orders.
    """
    limits, risk = config.limits, config.risk
    interval_us = -(-1_000_000 // limits.rate)
    most = units.value_units(gross)
    return [
        Write("report", 1),
        Write("levels_n", config.strategy.levels),
        Write("ratio_num", 0),
        Write("ratio_den", 0),
        Write("rule_enable", 0),
        Write("order_qty", 0),
        Write("refill_level", config.strategy.levels),
        Write("refill_retry", REFILL_RETRY_EVENTS),
        Write("stale_us", limits.stale_ms * 1000),
        Write("trade_window", _TRADE_WINDOW),
        Write("rate_interval_us", int(interval_us)),
        Write("rate_burst_us", min(int((limits.burst - 1) * interval_us), _MOST_U32)),
        Write("risk_window", _RISK_WINDOW),
        Write("max_gross", most),
        Write("max_net", most),
        Write("max_open_orders", limits.max_open_orders),
        Write("credit_age_us", _credit_age_us(config)),
        Write("max_losses", risk.max_losses),
        Write("max_day_loss", units.profit_units(equity * risk.day_loss_share)),
        Write("max_window_loss", units.profit_units(equity * risk.hour_loss_share)),
        Write("max_drawdown", units.profit_units(equity * risk.drawdown_share)),
        Write("loss_window", _LOSS_WINDOW),
        Write("loss_kill", _KILL_DAY | _KILL_DRAWDOWN),
    ]


def clock_writes(config: RunConfig) -> list[Write]:
    """Device time and watchdog, in cycles of the board's clock."""
    hz = config.link.clock_hz
    late = min(config.link.watchdog_late_ms * hz // 1000, _MOST_U32)
    dead = min(config.link.watchdog_dead_ms * hz // 1000, _MOST_U32)
    return [
        Write("clock_step", min((1_000_000 << 32) // hz, _MOST_U32)),
        Write("clock_drift_us", config.link.clock_drift_ms * 1000),
        Write("watchdog_late_cycles", late),
        Write("watchdog_dead_cycles", dead),
    ]


def limit_writes(
    config: RunConfig,
    one: Instrumented,
    budget: Budget,
    units: Units,
    entering: bool,
    qty_bits: int,
) -> list[Write]:
    """All limits of a symbol and the commit that puts them in force at once.

    What the configuration sets no limit for is waived by name, not left at 0 or at the most.

    Parameters
    ----------
    config : RunConfig
        The configuration.
    one : Instrumented
        The symbol.
    budget : Budget
        What it may do now.
    units : Units
        Units of values and profit.
    entering : bool
        Whether new risk may be taken; else only what reduces a position passes.
    qty_bits : int
        Width of a quantity of the board.
    """
    limits = config.limits
    qty_step = step(one.order_lots, qty_bits)
    tick_step = step(1, 32)
    position = budget.position_lots
    # an exit leaves the whole position in one order, so that is what an order may be
    notional = position * int(budget.price / one.tick) * 5 // 4
    exits = _exits(config)
    waived = [
        Reason.COLLAR_PPM,
        Reason.COLLAR_LAST,
        Reason.COLLAR_LAST_PPM,
        Reason.RATE_SYMBOL,
        Reason.WINDOW_QTY,
        Reason.WINDOW_NOTIONAL,
        Reason.DRIFT,
        Reason.ORDER_TRADE,
    ]
    for reason, value in (
        (Reason.DUPLICATE, limits.duplicate_ms),
        (Reason.REPEAT, limits.max_repeats),
        (Reason.SPREAD, limits.spread_ticks),
        (Reason.VOLATILITY, limits.pause_ticks),
        # simulated cycles do not keep step with any clock
        (Reason.CLOCK, config.link.name != "sim"),
    ):
        if not value:
            waived.append(reason)
    return [
        Write("limit_permit", 1),
        Write("limit_mode", int(Mode.ACTIVE if entering else Mode.REDUCE_ONLY)),
        Write("limit_waive", sum(1 << int(reason) for reason in waived)),
        Write("limit_strategies", 0xFF if exits else int(Rule.IMBALANCE)),
        Write("limit_max_qty", max(position, one.order_lots)),
        Write("limit_min_qty", one.least_lots),
        Write("limit_qty_mask", qty_step.mask),
        Write("limit_qty_inverse", qty_step.inverse),
        Write("limit_qty_bound", qty_step.bound),
        Write("limit_max_notional", min(notional, _MOST_U64)),
        Write("limit_collar_ticks", limits.collar_ticks),
        Write("limit_collar_ppm", 0),
        Write("limit_last_ticks", 0),
        Write("limit_last_ppm", 0),
        Write("limit_min_price", 1),
        Write("limit_max_price", _MOST_U32),
        Write("limit_tick_mask", tick_step.mask),
        Write("limit_tick_inverse", tick_step.inverse),
        Write("limit_tick_bound", tick_step.bound),
        Write("limit_duplicate_us", limits.duplicate_ms * 1000),
        Write("limit_interval_us", 0),
        Write("limit_burst_us", 0),
        Write("limit_window_qty", 0),
        Write("limit_window_notional", 0),
        Write("limit_drift_ticks", 0),
        Write("limit_drift_us", 0),
        Write("limit_max_repeats", limits.max_repeats),
        Write("limit_trade_grace", 0),
        Write("limit_trade_ratio", 0),
        Write("limit_max_position", position),
        Write("limit_max_open", limits.max_open),
        Write("limit_tolerance", 0),
        Write("limit_max_spread", limits.spread_ticks),
        Write("limit_pause_ticks", limits.pause_ticks),
        Write("limit_pause_window_us", 1_000_000),
        Write("limit_pause_us", limits.pause_ms * 1000),
        Write("limit_lot_value", units.lot_value(one, budget.price)),
        Write("limit_tick_value", units.tick_value(one)),
        Write("limit_commit", one.number),
    ]


def strategy_writes(config: RunConfig, one: Instrumented, budget: Budget) -> list[Write]:
    """All settings of a symbol's strategy, and their commit.

    Parameters
    ----------
    config : RunConfig
        The configuration.
    one : Instrumented
        The symbol.
    budget : Budget
        Size of an entry; of 0 lots: nothing is entered.
    """
    strategy = config.strategy
    ratio = strategy.ratio.as_integer_ratio()
    sides = _SIDES[strategy.sides] if budget.order_lots else 0
    filters = (1 if strategy.spread_ticks else 0) | (32 if strategy.pause_ms else 0)
    values = {
        "active": 1,
        "sides": sides,
        "combine": 0,
        "imbalance_sides": 3,
        "imbalance_num": ratio[0],
        "imbalance_den": ratio[1],
        "filters": filters,
        "spread_ticks": strategy.spread_ticks,
        "pause_us": min(strategy.pause_ms * 1000, _MOST_U32),
        "qty_least": budget.order_lots,
        "qty_most": budget.order_lots,
        "entry_order": ORDER_LIMIT_IOC,
        "exit_order": ORDER_LIMIT_IOC,
        "exits": _exits(config),
        "stop_ticks": strategy.stop_ticks,
        "take_ticks": strategy.take_ticks,
        "trail_ticks": strategy.trail_ticks,
        "trail_eighths": 4,
        "time_us": strategy.time_ms * 1000,
        "exit_retry_us": 1_000_000,
        "flow_decay": 4,
        "average_decay": 4,
        "bar_log2_us": 20,
    }
    names = [name for name in _STRATEGY if name not in values]
    writes = [Write(f"strategy_{name}", value) for name, value in values.items()]
    writes += [Write(f"strategy_{name}", 0) for name in names]
    return [*writes, Write("strategy_commit", one.number)]


#: Settings of a strategy that are not used by this rule and stay 0.
_STRATEGY = (
    "micro_bank",
    "weight_least",
    "weights",
    "vwap_sides",
    "vwap_half_ticks",
    "flow_sides",
    "flow_num",
    "flow_den",
    "flow_lots",
    "wall_sides",
    "wall_invert",
    "wall_num",
    "wall_den",
    "wall_ticks",
    "model_mode",
    "model_sides",
    "model_least",
    "edge_ticks",
    "edge_probability",
    "edge_cost",
    "cancel_share",
    "volatility_source",
    "volatility_high",
    "volatility_extreme",
    "liquidity_lots",
    "size_scaled",
    "score_step",
    "high_shift",
    "entry_protect",
    "exit_protect",
    "stop_ranges",
    "exit_lots",
    "flatten",
)


def _exits(config: RunConfig) -> int:
    strategy = config.strategy
    return (
        (_STOP if strategy.stop_ticks else 0)
        | (_TAKE if strategy.take_ticks else 0)
        | (_TRAIL if strategy.trail_ticks else 0)
        | (_TIME if strategy.time_ms else 0)
    )


def _credit_age_us(config: RunConfig) -> int:
    """Three looks at the account, in stream time."""
    speed = config.paper.speed if config.mode == "paper" else Decimal(1)
    return min(int(3 * 5_000_000 * max(speed, Decimal(1))), _MOST_U32)
