# SPDX-License-Identifier: Apache-2.0
"""The command ``tickgate paper``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from host.paper.server import PaperServer
from host.paper.settings import PaperSettings
from host.settings import SettingError

if sys.version_info >= (3, 11):
    import tomllib
else:  # the extra `exchange` brings it for Python 3.10
    import tomli as tomllib

__all__ = ["paper_settings", "run_paper"]


def paper_settings(
    config: Path | None, usdm: list[str], spot: list[str], changes: dict[str, Any]
) -> PaperSettings:
    """Settings of a file and of options, which come before the file.

    Parameters
    ----------
    config : Path or None
        TOML with the members of `PaperSettings`.
    usdm, spot : list of str
        Captures of the markets.
    changes : dict
        Members that options give; those of None are left out.

    Raises
    ------
    SettingError
        The file cannot be read, a member is wrong, or there is no market.
    """
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(f"{config}: expected a readable TOML file, was {error}") from None
    values |= {name: value for name, value in changes.items() if value is not None}
    for name, captures in (("usdm", usdm), ("spot", spot)):
        if captures:
            market = values.get(name)
            values[name] = {**(market if isinstance(market, dict) else {}), "captures": captures}
    try:
        found = PaperSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        said = first["msg"].removeprefix("Value error, ")
        source = f"{config}: " if config is not None else ""
        raise SettingError(f"{source}{where}: {said}, was {first.get('input')!r}") from None
    if found.usdm is None and found.spot is None:
        raise SettingError("expected a capture of futures (--usdm) or spot (--spot), was none")
    return found


def run_paper(settings: PaperSettings, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    settings : PaperSettings
        The settings.
    say : callable
        Takes one line once the server listens, and one when it ends.

    Raises
    ------
    CaptureError, SettingError, OSError
        A capture cannot be read, a symbol is not known, the port is taken.
    """
    asyncio.run(_serve(settings, say))


async def _serve(settings: PaperSettings, say: Callable[[str], None]) -> None:
    try:
        server = PaperServer(settings)
    except ValueError as error:
        raise SettingError(str(error)) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with server:
        names = " ".join(
            f"{name}={','.join(market.exchange.specs)}"
            for name, market in server.venue.markets.items()
        )
        keys = " ".join(key.key for key in settings.keys)
        speed = "stepped" if settings.stepped else f"speed {settings.speed or Decimal('Infinity')}"
        say(f"paper exchange at {server.url} ({server.ws_url}) {names} {speed} key {keys}")
        await stop.wait()
        counts = ", ".join(
            f"{name}: {len(market.exchange.orders)} orders, {len(market.exchange.own_fills)} fills"
            for name, market in server.venue.markets.items()
        )
    say(f"paper exchange ended; {counts}")
