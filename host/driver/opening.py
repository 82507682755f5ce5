# SPDX-License-Identifier: Apache-2.0
"""The parts of a session, each made and checked before anything can be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import orjson

from host.driver.bridge import Market
from host.driver.config import RunConfig
from host.driver.fabric import Board
from host.driver.units import Instrumented
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.links import LINKS, open_link
from host.links.base import Identity
from host.paper.server import PaperServer
from host.paper.settings import MarketSettings, PaperSettings
from host.settings import SettingError
from host.venues.ccxt_venue import CcxtVenue
from host.venues.guarded import open_exchange
from host.venues.hosts import Mode, ModeError, check_live
from host.venues.interface import Busy, Unknown
from host.venues.keys import Credentials, KeyFileError, load_credentials

__all__ = [
    "BUNDLED",
    "board_of",
    "check",
    "credentials_of",
    "feed_of",
    "first_price",
    "instruments_of",
    "kill_file",
    "markets_of",
    "mode_of",
    "paper_of",
    "price_of",
    "run_folder",
]

#: The minute of BTCUSDT futures that comes with the project.
BUNDLED = Path(__file__).resolve().parents[2] / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
#: Pauses between tries to get a first price: a paper market begins some time into its capture.
_PRICE_WAITS_S = (0.25, 0.5, 1.0, 2.0, 4.0)
_PAPER_KEYS = Credentials("paperkey", "papersecret")


def check(
    config: RunConfig,
    file: Path,
    live: bool,
    environment: Mapping[str, str],
    typed: str | None = None,
) -> None:
    """Refuse what cannot be traded, before a key is used; nothing is sent.

    Parameters
    ----------
    config : RunConfig
        The configuration.
    file : Path
        Where it came from.
    live : bool
        The option for live trading was given.
    environment : mapping
        Where keys and the confirmation are looked for.
    typed : str, optional
        What a person has typed.

    Raises
    ------
    SettingError
        Live trading is not confirmed, the venue has no such environment or no market stream
        here, the link is not known, or keys or captures are missing.
    """
    if config.link.name not in LINKS:
        raise SettingError(
            f"{file}: link.name: expected one of {', '.join(sorted(LINKS))}, "
            f"was {config.link.name!r}"
        )
    try:
        check_live(config.venue, mode_of(config), live, environment, typed)
        if config.mode != "paper":
            open_exchange(config.venue, mode_of(config))
    except ModeError as error:
        raise SettingError(f"{file}: {error}") from None
    if config.venue not in ("binance", "binanceusdm"):
        raise SettingError(
            f"{file}: venue: expected one with a market stream here, binance or binanceusdm, "
            f"was {config.venue}"
        )
    credentials_of(config, file, environment)
    if config.mode == "paper":
        paper_of(config, file)


def run_folder(config: RunConfig, file: Path) -> Path:
    """Folder of journal, logs and reports."""
    return (file.resolve().parent / config.folder).resolve()


def kill_file(folder: Path) -> Path:
    """The file whose presence ends a session, and lets none begin."""
    return folder / "KILL"


def credentials_of(config: RunConfig, file: Path, environment: Mapping[str, str]) -> Credentials:
    """Keys of the venue.

    Raises
    ------
    SettingError
        There are none, or others may read them.
    """
    if config.mode == "paper":
        return _PAPER_KEYS
    named = file.resolve().parent / config.key_file if config.key_file else None
    try:
        return load_credentials(config.venue, environment, named)
    except KeyFileError as error:
        raise SettingError(str(error)) from None


def paper_of(config: RunConfig, file: Path) -> PaperServer:
    """The embedded exchange.

    Raises
    ------
    SettingError, CaptureError
        A capture is missing or its symbols are not known.
    """
    paper = config.paper
    captures = tuple(str(file.resolve().parent / name) for name in paper.captures)
    if not captures:
        if config.venue != "binanceusdm":
            raise SettingError(
                f"{file}: paper.captures: expected captures of {config.venue}, was none"
            )
        captures = (str(BUNDLED),)
    quote = config.symbols[0].name.partition("/")[2].partition(":")[0]
    market = MarketSettings.model_validate(
        {
            "captures": captures,
            "balances": {quote: paper.balance},
            "maker_rate": paper.maker_rate,
            "taker_rate": paper.taker_rate,
            "order_latency_us": paper.order_latency_us,
            "answer_latency_us": paper.answer_latency_us,
        }
    )
    name = "usdm" if config.venue == "binanceusdm" else "spot"
    try:
        return PaperServer(PaperSettings(speed=paper.speed, **{name: market}))  # type: ignore[arg-type]
    except ValueError as error:
        raise SettingError(f"{file}: paper: {error}") from None


def board_of(config: RunConfig, stack: AsyncExitStack) -> Board:
    """Open the board.

    Raises
    ------
    LinkError
        It does not open.
    """
    name = config.link.name
    places = {"uart": config.link.port, "pynq": config.link.file, "xrt": config.link.file}
    link = open_link(f"{name}:{places[name]}" if name in places else name)
    stack.callback(link.close)
    return link


def instruments_of(config: RunConfig, venue: CcxtVenue, identity: Identity) -> list[Instrumented]:
    """The symbols with the venue's steps, numbered as the configuration lists them.

    Raises
    ------
    SettingError
        There are more than the board has, or a step does not fit.
    Refused
        The venue does not know one.
    """
    if len(config.symbols) > identity.symbols:
        raise SettingError(
            f"symbol: expected at most the {identity.symbols} of this board, "
            f"was {len(config.symbols)}"
        )
    if config.strategy.levels > identity.levels:
        raise SettingError(
            f"strategy.levels: expected at most the {identity.levels} of this board, "
            f"was {config.strategy.levels}"
        )
    found = []
    for number, given in enumerate(config.symbols):
        steps = venue.steps(given.name)
        lot = steps.lot if given.book_lot is None else given.book_lot
        if steps.lot % lot:
            raise SettingError(
                f"symbol {given.name}: book_lot: expected a divisor of {steps.lot}, was {lot}"
            )
        found.append(
            Instrumented(
                number,
                given.name,
                steps.name,
                steps.tick,
                lot,
                int(steps.lot / lot),
                int(-(-steps.least // lot)),
                given.group,
            )
        )
    return found


def markets_of(symbols: list[Instrumented]) -> dict[int, Market]:
    """What the bridge has to know of them."""
    return {one.number: Market(one.symbol, one.tick, one.lot) for one in symbols}


def feed_of(config: RunConfig, symbols: list[Instrumented], identity: Identity) -> FeedSession:
    """The normaliser."""
    sizes = FeedSettings(
        symbols=identity.symbols,
        levels=identity.levels,
        qty_bits=identity.qty_bits,
        refill_at=max(identity.levels // 2, min(identity.levels, config.strategy.levels)),
    )
    instruments = [Instrument(one.name, one.number, one.tick, one.lot) for one in symbols]
    return FeedSession(instruments, sizes, keep_refusals=100)


def price_of(depth: bytes) -> Decimal:
    """The mid of a snapshot.

    Raises
    ------
    SettingError
        It has no levels on one of its sides.
    """
    try:
        found = orjson.loads(depth)
        bid, ask = Decimal(found["bids"][0][0]), Decimal(found["asks"][0][0])
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ArithmeticError):
        raise SettingError("snapshot: expected levels on both sides, was none") from None
    return (bid + ask) / 2


async def first_price(
    venue: CcxtVenue, name: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Decimal:
    """The mid of a symbol; a venue that has no snapshot yet is asked again for some seconds.

    Parameters
    ----------
    name : str
        The venue's name of the symbol.
    sleep : callable
        Waits some seconds.

    Raises
    ------
    VenueFault
        It still has none.
    SettingError
        As `price_of`.
    """
    for wait_s in _PRICE_WAITS_S:
        try:
            return price_of(await venue.depth(name, 5))
        except (Busy, Unknown):
            await sleep(wait_s)
    return price_of(await venue.depth(name, 5))


def mode_of(config: RunConfig) -> Mode:
    """The mode."""
    return Mode(config.mode)
