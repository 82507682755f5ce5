# SPDX-License-Identifier: Apache-2.0
"""The configuration of a trading session: one TOML file, every field with a bound.

An unknown key is an error, and every error names the file, the key and what was expected.
`host.driver.template` writes a commented file from these models.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from host.settings import SettingError

if sys.version_info >= (3, 11):
    import tomllib
else:  # the extra `exchange` brings it for Python 3.10
    import tomli as tomllib

__all__ = [
    "FeedConfig",
    "LimitConfig",
    "LinkConfig",
    "OrderConfig",
    "PaperConfig",
    "RiskConfig",
    "RunConfig",
    "StopConfig",
    "StrategyConfig",
    "SymbolConfig",
    "load_config",
]

_MOST_U32 = (1 << 32) - 1
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_WINDOW = r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"


class _Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool_as_number(cls, value: object, info: Any) -> object:
        kind = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and kind is not bool:
            raise ValueError("true and false are no numbers")
        if kind is bool and not isinstance(value, bool):
            raise ValueError("only true and false are")
        return value


class LinkConfig(_Section):
    """The board, and how it is reached."""

    name: Literal["sim", "uart", "pynq", "xrt"] = Field(
        default="sim", description="link to the board: sim, uart, pynq, xrt"
    )
    port: str = Field(default="", max_length=200, description="serial port of the link uart")
    file: str = Field(
        default="", max_length=1_000, description="bitstream of the link pynq, xclbin of xrt"
    )
    clock_hz: int = Field(
        default=100_000_000,
        ge=1_000_000,
        le=1_000_000_000,
        description="clock of the board; times of its watchdog are counted in it",
    )
    watchdog_late_ms: int = Field(
        default=1_000,
        ge=10,
        le=10_000,
        description="without a heartbeat for so long only exits pass",
    )
    watchdog_dead_ms: int = Field(
        default=3_000,
        ge=10,
        le=10_000,
        description="without a heartbeat for so long the board is killed",
    )
    clock_drift_ms: int = Field(
        default=500,
        ge=1,
        le=60_000,
        description="exchange's time may part so far from the board's; not judged on the link sim",
    )


class SymbolConfig(_Section):
    """A symbol that is traded."""

    name: str = Field(
        pattern=r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,10}(:[A-Z0-9]{1,10})?$",
        description="ccxt's name, such as BTC/USDT:USDT (perpetual) or BTC/USDT (spot)",
    )
    group: str = Field(
        default="",
        pattern=r"^[a-z0-9_-]{0,20}$",
        description="symbols of one group share one budget of risk; empty: a group of its own",
    )
    largest: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=1_000_000_000,
        description="largest order in the base asset; more goes in parts; 0: all in one",
    )
    book_lot: Decimal | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="step of quantities in the book where it is finer than that of orders",
    )


class StrategyConfig(_Section):
    """The rule in the fabric, and its exits; the same for every symbol."""

    levels: int = Field(default=10, ge=1, le=10, description="levels of a side that are summed")
    ratio: Decimal = Field(
        default=Decimal("2.5"),
        gt=1,
        le=1000,
        max_digits=8,
        decimal_places=3,
        description="a side this many times the other makes an order",
    )
    sides: Literal["both", "buy", "sell"] = Field(default="both", description="both, buy or sell")
    pause_ms: int = Field(
        default=0, ge=0, le=3_600_000, description="time after an order without an entry; 0: none"
    )
    spread_ticks: int = Field(
        default=0, ge=0, le=_MOST_U32, description="greatest spread of an entry; 0: any"
    )
    stop_ticks: int = Field(
        default=0, ge=0, le=(1 << 24) - 1, description="exit: loss, ticks from the entry; 0: none"
    )
    take_ticks: int = Field(
        default=0, ge=0, le=(1 << 24) - 1, description="exit: gain, ticks from the entry; 0: none"
    )
    trail_ticks: int = Field(
        default=0,
        ge=0,
        le=(1 << 24) - 1,
        description="exit: gain from which half is locked; 0: none",
    )
    time_ms: int = Field(
        default=10_000,
        ge=0,
        le=86_400_000,
        description="exit: longest time in a position; 0: none, and with no other exit a position "
        "that fills GROSS or CREDIT stays until the end",
    )


class LimitConfig(_Section):
    """Limits of the gate in the fabric; 0 in those that say so takes the control off."""

    collar_ticks: int = Field(
        default=50, ge=0, le=_MOST_U32 >> 1, description="distance from the mid"
    )
    rate: Decimal = Field(
        default=Decimal(10),
        ge=Decimal("0.001"),
        le=1_000_000,
        max_digits=10,
        decimal_places=3,
        description="orders a second",
    )
    burst: int = Field(default=5, ge=1, le=1000, description="orders at one moment")
    stale_ms: int = Field(
        default=1_000, ge=1, le=4_000_000, description="oldest event that is acted on"
    )
    spread_ticks: int = Field(
        default=0, ge=0, le=_MOST_U32, description="greatest spread, ticks; 0: any"
    )
    max_open: int = Field(default=16, ge=1, le=64, description="open orders of a symbol")
    max_open_orders: int = Field(default=32, ge=1, le=64, description="open orders of all symbols")
    duplicate_ms: int = Field(
        default=0, ge=0, le=60_000, description="time in which an order may not come again; 0: any"
    )
    max_repeats: int = Field(
        default=0, ge=0, le=65_535, description="orders until a person has to re-arm; 0: no end"
    )
    pause_ticks: int = Field(
        default=0, ge=0, le=_MOST_U32, description="move of the mid in a second that pauses; 0: any"
    )
    pause_ms: int = Field(default=5_000, ge=0, le=3_600_000, description="length of that pause")


class RiskConfig(_Section):
    """Sizes and losses; shares are parts of the equity."""

    risk_share: Decimal = Field(
        default=Decimal("0.01"), gt=0, le=1, decimal_places=6, description="equity lost at the stop"
    )
    stop_share: Decimal = Field(
        default=Decimal("0.01"),
        gt=0,
        lt=1,
        decimal_places=6,
        description="distance of the stop, of price",
    )
    leverage: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=125,
        decimal_places=3,
        description="most value of positions by equity",
    )
    orders_a_position: int = Field(
        default=10, ge=1, le=1000, description="orders that make the largest position"
    )
    win_share: Decimal = Field(
        default=Decimal(0),
        ge=0,
        lt=1,
        decimal_places=6,
        description="share of trades won, for Kelly's bound; 0: none",
    )
    win_loss: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=1000,
        decimal_places=6,
        description="mean win by mean loss, for Kelly's bound",
    )
    sigma_limit: Decimal = Field(
        default=Decimal(3),
        gt=0,
        le=100,
        decimal_places=3,
        description="volatility over this many deviations of its mean lowers the leverage",
    )
    day_loss_share: Decimal = Field(
        default=Decimal("0.03"),
        gt=0,
        le=1,
        decimal_places=6,
        description="loss of a day that kills",
    )
    hour_loss_share: Decimal = Field(
        default=Decimal("0.005"),
        gt=0,
        le=1,
        decimal_places=6,
        description="fall in an hour that stops entries",
    )
    drawdown_share: Decimal = Field(
        default=Decimal("0.05"),
        gt=0,
        le=1,
        decimal_places=6,
        description="fall from the day's best that kills",
    )
    max_losses: int = Field(default=3, ge=1, le=255, description="losing round trips in a row")
    day_start: str = Field(
        default="00:00", pattern=_CLOCK, description="UTC time at which a day begins"
    )
    no_trade: tuple[Annotated[str, Field(pattern=_WINDOW)], ...] = Field(
        default=(), max_length=32, description="UTC windows without entries, such as 07:55-08:05"
    )
    resize_s: int = Field(
        default=60, ge=1, le=86_400, description="time between two looks at sizes"
    )


class OrderConfig(_Section):
    """Orders at the venue."""

    most_open: int = Field(default=16, ge=1, le=64, description="requests under way at a time")
    window_ms: int = Field(
        default=5_000, ge=500, le=60_000, description="receive window of requests"
    )
    timeout_ms: int = Field(
        default=5_000, ge=100, le=60_000, description="time until an answer is lost"
    )
    lean: bool = Field(
        default=True, description="build order requests without ccxt where that is known"
    )
    dead_man_ms: int = Field(
        default=30_000,
        ge=0,
        le=600_000,
        description="the venue cancels all when it has not heard of us for so long; 0: never",
    )
    twap_ms: int = Field(
        default=0,
        ge=0,
        le=3_600_000,
        description="time over which the parts of an entry are spread; 0: one after the other",
    )
    backstop: Decimal = Field(
        default=Decimal(0),
        ge=0,
        lt=1,
        decimal_places=6,
        description="a stop at the venue this share of its entry behind each position; 0: none",
    )
    accept_position: bool = Field(
        default=False,
        description="take a position that the journal does not explain as the venue has it",
    )


class FeedConfig(_Section):
    """Market data."""

    depth: Literal["0ms", "100ms", "500ms"] = Field(
        default="100ms", description="interval of the depth stream"
    )
    silent_ms: int = Field(
        default=5_000, ge=100, le=600_000, description="silence that counts as a loss"
    )
    reconnect_h: int = Field(
        default=23, ge=1, le=24, description="hours until a connection is replaced by a new one"
    )
    snapshot_ms: int = Field(
        default=5_000, ge=100, le=600_000, description="time between two snapshots of a symbol"
    )
    conflate_frames: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="frames that may wait before depth events are merged",
    )
    rehearse_ms: int = Field(
        default=2,
        ge=0,
        le=1_000,
        description="pause between two rehearsals of an order's way, which keep it warm; 0: none",
    )
    spin: bool = Field(
        default=False,
        description="the event loop never sleeps while it trades, which takes a core for itself",
    )


class PaperConfig(_Section):
    """The exchange that the mode paper starts by itself."""

    captures: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = Field(
        default=(),
        max_length=64,
        description="captures that are its market; empty: the bundled minute",
    )
    speed: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=1000,
        decimal_places=3,
        description="seconds of the capture a second",
    )
    balance: Decimal = Field(
        default=Decimal(100_000),
        gt=0,
        le=10**12,
        decimal_places=8,
        description="money at the start",
    )
    maker_rate: Decimal = Field(
        default=Decimal("0.0002"), ge=-1, le=1, decimal_places=8, description="commission of makers"
    )
    taker_rate: Decimal = Field(
        default=Decimal("0.0005"), ge=0, le=1, decimal_places=8, description="commission of takers"
    )
    order_latency_us: int = Field(
        default=0, ge=0, le=60_000_000, description="time from a request to the market"
    )
    answer_latency_us: int = Field(
        default=0, ge=0, le=60_000_000, description="time from the market to the answer"
    )


class StopConfig(_Section):
    """How a session ends, and what ends it."""

    flatten: bool = Field(default=False, description="close positions at the end")
    duration_s: int = Field(
        default=0, ge=0, le=31_536_000, description="length of the session; 0: until it is stopped"
    )
    verify_s: int = Field(default=30, ge=1, le=600, description="time to make sure at the venue")
    clock_jump_ms: int = Field(
        default=1_000,
        ge=10,
        le=60_000,
        description="jump of this machine's clock that stops orders",
    )


class RunConfig(_Section):
    """The whole file."""

    mode: Literal["paper", "testnet", "live"] = Field(
        default="paper", description="paper, testnet or live"
    )
    venue: Literal["binance", "binanceusdm", "bybit", "okx", "deribit", "krakenfutures"] = Field(
        default="binanceusdm", description="ccxt's name of the venue"
    )
    folder: str = Field(
        default="tickgate-run",
        min_length=1,
        max_length=1000,
        description="journal, logs and reports, beside this file",
    )
    key_file: str = Field(
        default="",
        max_length=1000,
        description="file with keys, mode 0600; empty: TICKGATE_<VENUE>_KEY and _SECRET",
    )
    link: LinkConfig = LinkConfig()
    symbols: tuple[SymbolConfig, ...] = Field(min_length=1, max_length=256, alias="symbol")
    strategy: StrategyConfig = StrategyConfig()
    limits: LimitConfig = LimitConfig()
    risk: RiskConfig = RiskConfig()
    orders: OrderConfig = OrderConfig()
    feed: FeedConfig = FeedConfig()
    paper: PaperConfig = PaperConfig()
    stop: StopConfig = StopConfig()

    @model_validator(mode="after")
    def _fits(self) -> RunConfig:
        names = [symbol.name for symbol in self.symbols]
        if len(set(names)) < len(names):
            raise ValueError("symbol: expected each name once, was one twice")
        if self.link.watchdog_dead_ms < self.link.watchdog_late_ms:
            raise ValueError(
                f"link.watchdog_dead_ms: expected at least watchdog_late_ms, "
                f"{self.link.watchdog_late_ms}, was {self.link.watchdog_dead_ms}"
            )
        if self.link.name == "uart" and not self.link.port:
            raise ValueError("link.port: expected the name of a serial port, was none")
        if self.link.name in ("pynq", "xrt") and not self.link.file:
            raise ValueError(f"link.file: expected the file of the link {self.link.name}, was none")
        if self.orders.backstop and self.venue != "binanceusdm":
            raise ValueError(
                f"orders.backstop: expected 0 for the venue {self.venue}, was "
                f"{self.orders.backstop}; of spot, a stop holds what an exit wants to sell"
            )
        if self.mode == "paper" and self.venue not in ("binance", "binanceusdm"):
            raise ValueError(
                f"venue: expected binance or binanceusdm in the mode paper, was {self.venue}"
            )
        return self


def load_config(path: Path) -> RunConfig:
    """Read and check a configuration file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    SettingError
        It cannot be read, is no TOML, or a key is unknown or wrong; the text names file, key and
        what was expected.
    """
    try:
        # decimals stay what was written: a float would round them
        values = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SettingError(f"{path}: expected a readable file, was {error.strerror}") from None
    except ValueError as error:
        raise SettingError(f"{path}: expected TOML, was {error}") from None
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingError(f"{path}: {_said(first)}") from None


def _said(error: Any) -> str:
    """One sentence for an error of pydantic's."""
    parts = [str(part) for part in error["loc"]]
    key = ".".join(parts)
    text = str(error["msg"]).removeprefix("Value error, ")
    if not key:
        return text  # of the whole file; it names its key itself
    model, field = _field(parts)
    if error["type"] == "extra_forbidden":
        known = ", ".join(sorted(_keys(model))) if model is not None else "another key"
        return f"{key}: expected one of {known}, was an unknown key"
    shown = repr(error.get("input"))
    if isinstance(error.get("input"), Decimal):
        shown = str(error["input"])
    if error["type"] == "missing":
        return f"{key}: expected {expectation(field) if field else 'a value'}, was nothing"
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return f"{key}: expected {expectation(field) if field else text}, was {shown}"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _field(parts: list[str]) -> tuple[type[BaseModel] | None, Any]:
    """The model a key is in, and its field there, None where there is none."""
    model: type[BaseModel] = RunConfig
    for part in parts[:-1]:
        if part.isdigit():
            continue
        field = _named(model, part)
        inner = None if field is None else _model_of(field.annotation)
        if inner is None:
            return model, field  # an entry of a list of plain values
        model = inner
    last = parts[-1]
    return model, _named(model, last) if not last.isdigit() else None


def _named(model: type[BaseModel], key: str) -> Any:
    for name, field in model.model_fields.items():
        if key == (field.alias or name):
            return field
    return None


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None


def expectation(field: Any) -> str:
    """What a field takes, in words: its kind and its bounds."""
    annotation = field.annotation
    if annotation is bool:
        return "true or false"
    choices = _choices(annotation)
    if choices:
        return "one of " + ", ".join(choices)
    bounds = {}
    for mark in field.metadata:
        for name in ("ge", "gt", "le", "lt", "pattern", "min_length", "max_length"):
            value = getattr(mark, name, None)
            if value is not None:
                bounds[name] = value
    kinds = [annotation, *getattr(annotation, "__args__", ())]
    if any(kind in kinds for kind in (int, Decimal)):
        kind = "a whole number" if int in kinds else "a decimal"
        low = f"from {bounds['ge']}" if "ge" in bounds else f"above {bounds['gt']}"
        high = f"to {bounds['le']}" if "le" in bounds else f"below {bounds['lt']}"
        return f"{kind} {low} {high}"
    if str(annotation).startswith("tuple"):
        return f"a list of at most {bounds['max_length']} entries ({field.description})"
    if "pattern" in bounds:
        return f"text like {bounds['pattern']}"
    if _model_of(annotation) is not None:
        return "a table"
    return f"text of {bounds.get('min_length', 0)} to {bounds['max_length']} letters"


def _choices(annotation: Any) -> list[str]:
    if getattr(annotation, "__origin__", None) is Literal:
        return [str(choice) for choice in annotation.__args__]
    return []
