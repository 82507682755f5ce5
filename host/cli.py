# SPDX-License-Identifier: Apache-2.0
"""The command ``tickgate``."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from host.driver.commands import register
from host.execution.assumed import ASSUMPTION
from host.execution.journal import JournalError
from host.feeds.capture import CaptureError
from host.feeds.venues import VENUES
from host.links import LinkError, RegisterError
from host.memory import collect_seldom
from host.replay.command import Request, run_replay
from host.replay.run import ReplayError
from host.replay.summary import version_text
from host.settings import ReplaySettings, SettingError
from host.venues.hosts import ModeError
from host.venues.interface import VenueFault
from host.wire.convert import encode_capture, not_encoded
from host.wire.framing import Wire
from host.wire.stats import feed_stats
from host.wire.stats_print import print_stats

__all__ = ["app", "main"]

#: Exit statuses: something disagreed; the input or an option is at fault.
MISMATCH, BAD_INPUT = 1, 2


#: Faults of the input, of a board or of a venue: one line each, no traceback.
_FAULTS = (
    CaptureError,
    JournalError,
    LinkError,
    ModeError,
    RegisterError,
    ReplayError,
    SettingError,
    VenueFault,
    OSError,
)

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__
)


register(app)


class Fills(str, Enum):
    """What becomes of accepted orders in a replay."""

    ASSUMED = "assumed"
    NONE = "none"


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"tickgate {version_text()}")


@app.command(
    help=f"""Replay captures through a board, check every answer, and write what came of it.

    Captures are `<receive time, ns> <JSON>` lines of Binance streams or recordings of its binary
    frames, gzip or plain, or recordings of the project cryptofeed ({", ".join(VENUES)}), zstd or
    plain; several follow each other.
    OUT gets summary.json, bbo.csv, decisions.parquet, views.parquet and
    report.html.

    {ASSUMPTION}

    Exit status: 0 all checks agree, 1 something disagrees, 2 the input or an option is wrong.
    """
)
def replay(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE...", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the results.", show_default=False)],
    symbol: Annotated[
        list[str] | None,
        typer.Option(help="Take only this symbol; may be repeated; default: all."),
    ] = None,
    tick: Annotated[
        str | None, typer.Option(help="Price step of every symbol; default: from the snapshot.")
    ] = None,
    lot: Annotated[
        str | None,
        typer.Option(help="Quantity step of every symbol; default: from the snapshot."),
    ] = None,
    link: Annotated[str, typer.Option(help="Link to the board.")] = "sim",
    levels: Annotated[int, typer.Option(help="Levels a side that are summed, 1 to 10.")] = 10,
    ratio: Annotated[str, typer.Option(help="Imbalance that makes an order, above 1.")] = "2.5",
    order_qty: Annotated[
        str | None, typer.Option(help="Quantity of an order; default: 10 lots.")
    ] = None,
    max_qty: Annotated[
        str | None, typer.Option(help="Limit: quantity of an order; default: that of an order.")
    ] = None,
    max_notional: Annotated[
        str | None, typer.Option(help="Limit: price x quantity of an order; default: none.")
    ] = None,
    collar_ticks: Annotated[int, typer.Option(help="Limit: distance from the mid, ticks.")] = 50,
    max_position: Annotated[
        str | None, typer.Option(help="Limit: worst-case position; default: 10 orders.")
    ] = None,
    rate: Annotated[str, typer.Option(help="Limit: messages a second of stream time.")] = "10",
    burst: Annotated[int, typer.Option(help="Limit: messages at one moment.")] = 5,
    stale_ms: Annotated[int, typer.Option(help="Limit: age of an event, milliseconds.")] = 1000,
    refill_at: Annotated[
        int | None,
        typer.Option(
            help="Refill a side of the fabric that holds fewer levels, 0: only when it asks; "
            "default: half of its levels, at least --levels."
        ),
    ] = None,
    reference: Annotated[
        bool, typer.Option(help="Compare every record with the reference model.")
    ] = True,
    fills: Annotated[
        Fills, typer.Option(help="Report accepted orders as filled (an assumption), or not at all.")
    ] = Fills.ASSUMED,
    fill_delay_ms: Annotated[
        int, typer.Option(help="Stream time between reports to the board, milliseconds.")
    ] = 100,
    wire: Annotated[
        Wire,
        typer.Option(help="Send events as records, or as the frames that the board reads itself."),
    ] = Wire.NATIVE,
    report: Annotated[bool, typer.Option(help="Write report.html and its figures.")] = True,
) -> None:
    """Check the options and run; see the help text above."""
    settings = ReplaySettings.checked(
        _option,
        levels=levels,
        ratio=ratio,
        order_qty=order_qty,
        max_qty=max_qty,
        max_notional=max_notional,
        max_position=max_position,
        collar_ticks=collar_ticks,
        rate=rate,
        burst=burst,
        stale_ms=stale_ms,
    )
    if not 1 <= fill_delay_ms <= 3_600_000:
        raise SettingError(f"--fill-delay-ms: expected 1 to 3600000, was {fill_delay_ms}")
    request = Request(
        captures=captures,
        folder=out,
        settings=settings,
        symbols=symbol or [],
        tick=_step("--tick", tick),
        lot=_step("--lot", lot),
        link=link,
        refill_at=refill_at,
        fills=fills is Fills.ASSUMED,
        fill_delay_us=fill_delay_ms * 1000,
        reference=reference,
        report=report,
        wire=wire,
    )
    outcome = run_replay(request, Console(), Console(stderr=True))
    if outcome.mismatches:
        raise typer.Exit(MISMATCH)
    if outcome.error:
        raise typer.Exit(BAD_INPUT)


@app.command("feed-stats")
def feed_statistics(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE...", show_default=False)],
    symbol: Annotated[
        list[str] | None,
        typer.Option(help="Count only this symbol; may be repeated; default: all."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Count what captures hold: messages, sizes as JSON and as SBE, gaps, rates, delays.

    Captures are of any format that replay takes. Exit status: 0, or 2 for a file that cannot be
    read to its end.
    """
    stats = feed_stats(captures, symbol or [])
    summary = stats.summary()
    if json:
        typer.echo(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    else:
        print_stats(summary, Console())
    if stats.error:
        raise typer.Exit(_fail(stats.error))


@app.command("encode")
def encode(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE...", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            help="File for the frames; compressed if it ends with .gz.", show_default=False
        ),
    ],
    binary_snapshots: Annotated[
        bool, typer.Option(help="Encode snapshots as well; default: keep them as text.")
    ] = False,
) -> None:
    """Write captures of Binance's JSON again as a recording of binary (SBE) frames.

    Exit status: 0, 1 if a message has no exact frame, 2 for a file that cannot be read or written.
    """
    counts = encode_capture(captures, out, binary_snapshots=binary_snapshots)
    for name, count in sorted(counts.items()):
        typer.echo(f"{name} {count}")
    if not_encoded(counts):
        raise typer.Exit(MISMATCH)


@app.command()
def paper(
    usdm: Annotated[
        list[str] | None, typer.Option(help="Capture of USD-M futures; may be repeated.")
    ] = None,
    spot: Annotated[
        list[str] | None, typer.Option(help="Capture of spot; may be repeated.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with settings of the venue.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    speed: Annotated[
        str | None, typer.Option(help="Seconds of the capture in a second; 0: as fast as possible.")
    ] = None,
    control: Annotated[
        bool, typer.Option(help="Serve /paper/v1: faults and steps, for tests.")
    ] = False,
) -> None:
    """Serve a local exchange with Binance's interface whose market is a capture.

    Prints one line with its address and the paper key, and serves until it is interrupted.
    """
    try:
        from host.paper.command import paper_settings, run_paper
    except ModuleNotFoundError as error:
        raise SettingError(
            f"expected the extra `exchange` (pip install 'tickgate[exchange]'), was no {error.name}"
        ) from None
    changes = {"host": host, "port": port, "speed": speed, "control": control or None}
    run_paper(paper_settings(config, usdm or [], spot or [], changes), typer.echo)


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


def _step(option: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        step = Decimal(text)
    except InvalidOperation:
        step = Decimal(0)
    if not step.is_finite() or not Decimal("1e-18") <= step <= Decimal("1e18"):
        raise SettingError(f"{option}: expected a decimal above 0, was {text!r}")
    return step


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit; faults of the input are one line on stderr."""
    collect_seldom()
    try:
        status = app(arguments, standalone_mode=False)
    except _FAULTS as error:
        status = _fail(str(error))
    except typer.Abort:
        status = _fail("interrupted")
    except Exception as error:
        # usage errors; their class is not at the same place in all versions of typer
        said = getattr(error, "format_message", None)
        if said is None:
            raise
        status = _fail(said())
    sys.exit(status if isinstance(status, int) else 0)


def _fail(text: str) -> int:
    if text:
        print("error: " + " ".join(text.split()), file=sys.stderr)
    return BAD_INPUT


if __name__ == "__main__":
    main()
