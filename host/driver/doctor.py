# SPDX-License-Identifier: Apache-2.0
"""Looks at everything a session will need, without sending an order."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from host.contract.registers import CONFIG_HASH, REGISTERS
from host.driver.config import RunConfig
from host.driver.fabric import Board, Fabric
from host.driver.opening import (
    board_of,
    credentials_of,
    first_price,
    instruments_of,
    mode_of,
    paper_of,
)
from host.driver.sizes import Sizes
from host.links.base import LinkError
from host.settings import SettingError
from host.venues.ccxt_venue import CcxtVenue
from host.venues.interface import VenueFault

__all__ = ["Finding", "examine"]

_MOST_OFFSET_MS = 1000


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    text: str
    good: bool


async def examine(
    config: RunConfig, file: Path, environment: Mapping[str, str], board: Board | None = None
) -> list[Finding]:
    """Look at board, venue, clock and limits; each fault is a finding, none is raised.

    Parameters
    ----------
    config : RunConfig
        The configuration.
    file : Path
        Where it came from.
    environment : mapping
        Where keys are looked for.
    board : Board, optional
        An open board; one is opened by the configuration if not given.
    """
    found: list[Finding] = []
    async with AsyncExitStack() as stack:
        fabric: Fabric | None = None
        try:
            fabric = Fabric(board if board is not None else board_of(config, stack))
            version = ".".join(map(str, fabric.identity.version))
            found.append(
                Finding(
                    "board",
                    f"version {version}, hash {CONFIG_HASH:#010x}, {fabric.identity.symbols} "
                    f"symbols of {fabric.identity.levels} levels",
                    True,
                )
            )
        except LinkError as error:
            found.append(Finding("board", str(error), False))
        try:
            url = ""
            if config.mode == "paper":
                server = await stack.enter_async_context(paper_of(config, file))
                url = server.url
            keys = credentials_of(config, file, environment)
            venue = CcxtVenue(config.venue, mode_of(config), keys, _now_ms, url)
            stack.push_async_callback(venue.close)
            await venue.start()
            found.append(Finding("venue", f"{venue.name}, {config.mode}: answers", True))
            offset = venue.offset_ms
            found.append(Finding("clock", f"{offset} ms apart", abs(offset) <= _MOST_OFFSET_MS))
            if fabric is not None:
                found += await _limits(config, fabric, venue)
        except (VenueFault, SettingError) as error:
            found.append(Finding("venue", str(error), False))
    return found


async def _limits(config: RunConfig, fabric: Fabric, venue: CcxtVenue) -> list[Finding]:
    symbols = instruments_of(config, venue, fabric.identity)
    prices = {one.number: await first_price(venue, one.name) for one in symbols}
    balances = await venue.balances()
    quote = symbols[0].symbol.partition("/")[2].partition(":")[0]
    equity = sum((b.free + b.used for b in balances if b.asset == quote), Decimal(0))
    found = [Finding("equity", f"{equity} {quote}", equity > 0)]
    sizes = Sizes(config, fabric, symbols, prices, equity)
    written = sizes.write(prices, equity, True)
    wrong = [
        f"{write.register} {write.value}, was {fabric.count(write.register)}"
        for write in written
        if REGISTERS[write.register].readable
        and not write.register.startswith(("limit_", "strategy_"))
        and fabric.count(write.register) != write.value
    ]
    read = sum(REGISTERS[write.register].readable for write in written)
    text = f"{read} registers as written" if not wrong else "expected " + "; ".join(wrong)
    found.append(Finding("limits", text, not wrong))
    for one in symbols:
        budget = sizes.budgets[one.number]
        commit, checksum = fabric.limits_in_force(one.number)
        found.append(
            Finding(
                one.symbol,
                f"orders of {budget.order_lots * one.lot}, positions to "
                f"{budget.position_lots * one.lot}; commit {commit}, checksum {checksum:#06x}",
                budget.order_lots > 0,
            )
        )
    return found


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
