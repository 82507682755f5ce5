# SPDX-License-Identifier: Apache-2.0
"""What a venue says of the rights of a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from host.venues.hosts import Mode

__all__ = ["may_withdraw"]


async def may_withdraw(
    name: str,
    mode: Mode,
    exchange: Any,
    ask: Callable[[int, Callable[[], Awaitable[Any]]], Awaitable[Any]],
) -> bool:
    """Whether the venue says that its keys may withdraw; False where it does not tell.

    Parameters
    ----------
    name : str
        ccxt's name.
    mode : Mode
        The mode.
    exchange : ccxt.pro.Exchange
        The object, with keys.
    ask : callable
        Makes a request of some weight.
    """
    if name == "binanceusdm":
        found = await ask(5, lambda: exchange.fapiPrivateV2GetAccount())
        # futures accounts say it of the account, the key's own rights are told by spot
        return mode is Mode.PAPER and bool(found.get("canWithdraw"))
    if name == "binance":
        if mode is Mode.LIVE:
            found = await ask(1, lambda: exchange.sapiGetAccountApiRestrictions())
            return bool(found.get("enableWithdrawals"))
        found = await ask(20, lambda: exchange.privateGetAccount())
        return mode is Mode.PAPER and bool(found.get("canWithdraw"))
    if name == "bybit":
        found = await ask(1, lambda: exchange.privateGetV5UserQueryApi())
        rights = found.get("result", {}).get("permissions", {})
        return "Withdraw" in (rights.get("Wallet") or [])
    if name == "okx":
        found = await ask(1, lambda: exchange.privateGetAccountConfig())
        return any("withdraw" in str(e.get("perm", "")) for e in found.get("data", []))
    if name == "deribit":
        found = await ask(
            1,
            lambda: exchange.privateGetGetAccountSummary({"currency": "BTC", "extended": True}),
        )
        return bool(found.get("result", {}).get("withdraw_enabled"))
    return False
