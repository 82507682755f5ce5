# SPDX-License-Identifier: Apache-2.0
"""The commands around a session: init, check, run, doctor, status, pause, resume, kill, trace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from host.driver.config import load_config
from host.driver.control import ControlError, ask
from host.driver.template import template
from host.paths import path_of
from host.settings import SettingError

__all__ = ["register"]

_CONFIG = Path("tickgate.toml")
_FAILED = 1
ConfigOption = Annotated[
    Path, typer.Option(help="Configuration file.", parser=path_of, metavar="<path>")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(init)
    app.command()(check)
    app.command()(run)
    app.command()(doctor)
    app.command()(status)
    app.command()(pause)
    app.command()(resume)
    app.command()(kill)
    app.command()(trace)


def init(
    out: Annotated[
        Path, typer.Argument(help="File that is written.", parser=path_of, metavar="out")
    ] = _CONFIG,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented configuration with every key, its bounds and its default."""
    if out.exists() and not force:
        raise SettingError(f"{out}: expected no such file, was one; --force writes over it")
    out.write_text(template(), "utf-8")
    typer.echo(f"{out}: a paper session on the bundled minute; tickgate run --config {out}")


def check(
    config: ConfigOption = _CONFIG,
    live: Annotated[bool, typer.Option(help="Check that live trading is confirmed.")] = False,
) -> None:
    """Validate a configuration, its keys and its addresses; nothing is sent."""
    found = load_config(config)
    opened, _ = _extra()
    opened.check(found, config, live, os.environ)
    typer.echo(
        f"{config}: {found.mode} at {found.venue}, "
        f"{', '.join(one.name for one in found.symbols)}, link {found.link.name}: right"
    )


def run(
    config: ConfigOption = _CONFIG,
    live: Annotated[bool, typer.Option(help="Trade with real money; has to be confirmed.")] = False,
) -> None:
    """Trade as the configuration says, until it is stopped; then make sure and report.

    In the mode paper the exchange is started as well. Exit status: 0 if board, journal and venue
    agree in the end, 1 if something does not, 2 if it could not begin.
    """
    found = load_config(config)
    opened, session = _extra()
    typed = None
    if found.mode == "live" and live and sys.stdin.isatty():
        typed = typer.prompt(f"type 'live {found.venue}' to trade with real money")
    opened.check(found, config, live, os.environ, typed)
    folder = opened.run_folder(found, config)
    made = session.Session(
        found, config, folder, os.environ, lambda: time.time_ns() // 1_000_000, say=typer.echo
    )
    outcome = asyncio.run(_until_stopped(made))
    report = folder / f"session-{made.number}"
    for path in _report(outcome.facts, made.trail.passages, report):
        typer.echo(f"wrote {path}")
    facts = outcome.facts
    typer.echo(
        f"ended: {outcome.reason}; {facts['decisions']['accepted']} orders, "
        f"profit {facts.get('profit', 'unknown')} by fills, equity {facts['equity_end']}"
    )
    for problem in outcome.problems:
        typer.echo(f"problem: {problem}", err=True)
    if outcome.problems:
        raise typer.Exit(_FAILED)
    typer.echo("nothing is open; fabric, journal and venue agree")


def doctor(config: ConfigOption = _CONFIG) -> None:
    """Show board and hash, the venue's clock and reach, limits as read back; nothing is sent."""
    found = load_config(config)
    opened, _ = _extra()
    opened.check(found, config, True, {**os.environ, "TICKGATE_LIVE": f"live {found.venue}"})
    from host.driver.doctor import examine

    ill = False
    for name, text, good in asyncio.run(examine(found, config, os.environ)):
        ill |= not good
        typer.echo(f"{'ok  ' if good else 'FAIL'} {name}: {text}")
    if ill:
        raise typer.Exit(_FAILED)


def status(
    config: ConfigOption = _CONFIG,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a running session is doing."""
    found = _told(config, "status")
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for name in ("phase", "venue", "mode", "halted", "fabric_mode", "equity", "open_orders"):
        typer.echo(f"{name} {found[name]}")
    for symbol, qty in found["positions"].items():
        typer.echo(f"position {symbol} {qty}")


def pause(config: ConfigOption = _CONFIG) -> None:
    """Halt a running session and cancel what is open; it goes on by `tickgate resume`."""
    typer.echo(_told(config, "pause"))


def resume(
    config: ConfigOption = _CONFIG,
    rearm: Annotated[bool, typer.Option(help="Clear the board's kill latch as well.")] = False,
) -> None:
    """Let a paused session trade again, after board, journal and venue have been compared."""
    if rearm:
        typer.echo(_told(config, "rearm"))
    typer.echo(_told(config, "resume"))


def kill(config: ConfigOption = _CONFIG) -> None:
    """End trading: the kill file is made, and a running session stops and makes sure.

    No session begins while the file is there; remove it by hand.
    """
    found = load_config(config)
    opened, _ = _extra()
    folder = opened.run_folder(found, config)
    folder.mkdir(parents=True, exist_ok=True)
    path = opened.kill_file(folder)
    path.touch()
    typer.echo(f"made {path}")
    try:
        typer.echo(ask(folder, "kill"))
    except ControlError:
        typer.echo("no session answers; one that runs looks at the file four times a second")


def trace(
    name: Annotated[str, typer.Argument(metavar="ID", help="Client id of an order.")],
    config: ConfigOption = _CONFIG,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Follow an order by its id: feed bytes, decision, journal, fills."""
    found = load_config(config)
    opened, _ = _extra()
    from host.driver.tracing import follow

    entry = follow(opened.run_folder(found, config), name)
    if json:
        typer.echo(orjson.dumps(entry, option=orjson.OPT_INDENT_2))
        return
    for line in entry["lines"]:
        typer.echo(line)


def _told(config: Path, command: str) -> Any:
    found = load_config(config)
    opened, _ = _extra()
    try:
        return ask(opened.run_folder(found, config), command)
    except ControlError as error:
        raise SettingError(str(error)) from None


def _extra() -> Any:
    try:
        from host.driver import opening, session
    except ModuleNotFoundError as error:
        raise SettingError(
            f"expected the extra `exchange` (pip install 'tickgate[exchange]'), was no {error.name}"
        ) from None
    return opening, session


async def _until_stopped(session: Any) -> Any:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        name = signal.Signals(number).name
        stop: Callable[[], None] = _stopper(session, name)
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    return await session.run()


def _stopper(session: Any, name: str) -> Callable[[], None]:
    return lambda: session.stop(f"{name} was received")


def _report(facts: dict[str, Any], passages: Any, folder: Path) -> list[Path]:
    try:
        from host.report.session import write_session_report
    except ModuleNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "session.json"
        path.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
        return [path]
    return write_session_report(facts, passages, folder)
