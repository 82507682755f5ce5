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
from host.model.command import TrainRequest, run_train
from host.model.fit import Plan
from host.model.image import Image
from host.model.labels import Costs
from host.model.rule import ModelRule
from host.model.trees import ModelError
from host.paths import fault, name_of, path_of
from host.replay.command import Request, run_replay
from host.replay.itch import run_itch_replay
from host.replay.registers import NamedRegisters
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
    ModelError,
    RegisterError,
    ReplayError,
    SettingError,
    VenueFault,
)

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__
)


register(app)

Captures = Annotated[
    list[str], typer.Argument(metavar="CAPTURE...", show_default=False, parser=name_of)
]
Folder = Annotated[
    Path,
    typer.Option(
        help="Folder for the results.", show_default=False, parser=path_of, metavar="<path>"
    ),
]


class Fills(str, Enum):
    """What becomes of accepted orders in a replay."""

    ASSUMED = "assumed"
    NONE = "none"


class LabelCosts(str, Enum):
    """What a move must exceed to be learned from."""

    ALL = "all"
    SPREAD = "spread"
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
    captures: Captures,
    out: Folder,
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
    link: Annotated[
        str, typer.Option(help="Link to the board: sim, uart:PORT, pynq:FILE, xrt:FILE.")
    ] = "sim",
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
    model: Annotated[
        Path | None,
        typer.Option(
            help="Image of `tickgate train`; it decides entries in place of --ratio.",
            parser=path_of,
            metavar="<path>",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A register of docs/registers.md for every symbol, strategy_... or limit_...; "
            "may be repeated. With a strategy_... the rules of signals.md decide.",
        ),
    ] = None,
    fee_bps: Annotated[
        str, typer.Option(help="With --model: fee of one side, hundredths of a percent.")
    ] = "5",
    slippage_ticks: Annotated[
        str, typer.Option(help="With --model: allowance for one side, ticks.")
    ] = "1",
    report: Annotated[bool, typer.Option(help="Write report.html and its figures.")] = True,
) -> None:
    """Check the options and run; see the help text above."""
    costs = Costs(_cost("--fee-bps", fee_bps), _cost("--slippage-ticks", slippage_ticks))
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
        model=None if model is None else ModelRule(Image.load(model), costs),
        named=NamedRegisters.parse(set_ or []),
    )
    run = run_itch_replay if wire is Wire.ITCH else run_replay
    outcome = run(request, Console(), Console(stderr=True))
    if outcome.mismatches:
        raise typer.Exit(MISMATCH)
    if outcome.error:
        raise typer.Exit(BAD_INPUT)


@app.command()
def train(
    captures: Captures,
    out: Folder,
    symbol: Annotated[
        str | None, typer.Option(help="Learn this symbol; default: the only one.")
    ] = (None),
    tick: Annotated[
        str | None, typer.Option(help="Price step; default: from the snapshot.")
    ] = None,
    lot: Annotated[
        str | None, typer.Option(help="Quantity step; default: from the snapshot.")
    ] = None,
    link: Annotated[str, typer.Option(help="Link to the board features come from.")] = "sim",
    horizon_ms: Annotated[int, typer.Option(help="How far labels look ahead.")] = 1000,
    embargo_ms: Annotated[
        int, typer.Option(help="Left out between what is learned and judged, beside the horizon.")
    ] = 1000,
    folds: Annotated[int, typer.Option(help="Parts of time that are judged.")] = 5,
    fee_bps: Annotated[str, typer.Option(help="Fee of one side, hundredths of a percent.")] = "5",
    slippage_ticks: Annotated[str, typer.Option(help="Allowance for one side, ticks.")] = "1",
    label_costs: Annotated[
        LabelCosts, typer.Option(help="What a move must exceed to be learned from.")
    ] = LabelCosts.ALL,
    probability: Annotated[float, typer.Option(help="From which the model acts.")] = 0.65,
    trees: Annotated[int, typer.Option(help="Most trees, at most those of the board.")] = 128,
    report: Annotated[bool, typer.Option(help="Write report.html and its figures.")] = True,
) -> None:
    """Train a forest on captures, judge it out of sample after costs, and write its image.

    OUT gets model.tgm, train.json, report.html and its figures. Exit status: 0 a model was
    written, whatever it is worth; 2 the input or an option is wrong.
    """
    for name, value, low, high in (
        ("--horizon-ms", horizon_ms, 1, 86_400_000),
        ("--embargo-ms", embargo_ms, 0, 86_400_000),
        ("--folds", folds, 1, 100),
        ("--trees", trees, 1, 256),
    ):
        if not low <= value <= high:
            raise SettingError(f"{name}: expected {low} to {high}, was {value}")
    costs = Costs(_cost("--fee-bps", fee_bps), _cost("--slippage-ticks", slippage_ticks))
    plan = Plan(
        horizon_us=1000 * horizon_ms,
        embargo_us=1000 * embargo_ms,
        folds=folds,
        costs=costs,
        label_costs=label_costs.value,
        probability=probability,
        trees=trees,
    )
    request = TrainRequest(
        captures=captures,
        folder=out,
        symbol=symbol,
        tick=_step("--tick", tick),
        lot=_step("--lot", lot),
        link=link,
        plan=plan,
        report=report,
    )
    run_train(request, Console(), Console(stderr=True))


def _cost(option: str, text: str) -> Decimal:
    try:
        cost = Decimal(text)
    except InvalidOperation:
        cost = Decimal(-1)
    if not cost.is_finite() or not 0 <= cost <= 10_000:
        raise SettingError(f"{option}: expected a decimal of 0 to 10000, was {text!r}")
    return cost


@app.command("feed-stats")
def feed_statistics(
    captures: Captures,
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
    captures: Captures,
    out: Annotated[
        Path,
        typer.Option(
            help="File for the frames; compressed if it ends with .gz.",
            show_default=False,
            parser=path_of,
            metavar="<path>",
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
        list[str] | None,
        typer.Option(
            help="Capture of USD-M futures; may be repeated.", parser=name_of, metavar="<str>"
        ),
    ] = None,
    spot: Annotated[
        list[str] | None,
        typer.Option(help="Capture of spot; may be repeated.", parser=name_of, metavar="<str>"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings of the venue.", parser=path_of, metavar="<path>"
        ),
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
    except OSError as error:
        status = _fail(fault(error))
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
