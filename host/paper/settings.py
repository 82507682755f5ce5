# SPDX-License-Identifier: Apache-2.0
"""Settings of the paper venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["KeySettings", "MarketSettings", "PaperSettings", "SymbolSettings"]

_STRICT = ConfigDict(frozen=True, extra="forbid")


class SymbolSettings(BaseModel):
    """Filters of a symbol that differ from the built-in ones; see `host.paper.symbols`."""

    model_config = _STRICT

    tick: Decimal | None = Field(None, gt=0)
    lot: Decimal | None = Field(None, gt=0)
    min_notional: Decimal | None = Field(None, ge=0)
    max_qty: Decimal | None = Field(None, gt=0)
    max_market_qty: Decimal | None = Field(None, gt=0)
    max_orders: int | None = Field(None, ge=1, le=10_000)
    multiplier_up: Decimal | None = Field(None, gt=1)
    multiplier_down: Decimal | None = Field(None, gt=0, lt=1)


class MarketSettings(BaseModel):
    """One market, spot or USD-M futures.

    Attributes
    ----------
    captures : tuple of str
        Files that follow each other; none: the market is pushed by other code.
    symbols : dict
        Symbols and what differs from the built-in filters; those of the capture are added.
    balances : dict
        Amount by asset at the start.
    maker_rate, taker_rate : Decimal
        Commission; a negative one is a rebate.
    queue_model : str
        Whose the cancels before and behind an order are, see `host.paper.matching`.
    order_latency_us, answer_latency_us : int
        Venue time from the request to the matching engine, and back to the answer.
    funding_rate : Decimal
        Futures: paid at 00:00, 08:00 and 16:00 UTC.
    leverage : int
        Futures: of every symbol at the start.
    weight_limit : int or None
        Request weight a minute; None: the venue's own.
    """

    model_config = _STRICT

    captures: tuple[str, ...] = ()
    symbols: dict[str, SymbolSettings] = {}
    balances: dict[str, Decimal] = {"USDT": Decimal(100_000)}
    maker_rate: Decimal = Field(Decimal("0.0002"), ge=-1, le=1)
    taker_rate: Decimal = Field(Decimal("0.0005"), ge=0, le=1)
    queue_model: Literal["back", "proportional"] = "back"
    order_latency_us: int = Field(0, ge=0, le=60_000_000)
    answer_latency_us: int = Field(0, ge=0, le=60_000_000)
    funding_rate: Decimal = Field(Decimal("0.0001"), ge=-1, le=1)
    leverage: int = Field(20, ge=1, le=125)
    weight_limit: int | None = Field(None, ge=1)


class KeySettings(BaseModel):
    """A key of the paper venue; these are no keys of an exchange.

    Attributes
    ----------
    key : str
        Its name.
    secret : str
        Shared secret, or a public key in PEM.
    """

    model_config = _STRICT

    key: str = Field("paperkey", pattern=r"^[A-Za-z0-9_-]{8,128}$")
    secret: str = Field("papersecret", min_length=8, repr=False)
    trade: bool = True
    withdraw: bool = False


class PaperSettings(BaseModel):
    """The whole venue.

    Attributes
    ----------
    host, port : str, int
        Where it listens; port 0 takes a free one.
    speed : Decimal
        Seconds of the capture in a second; 0: as fast as possible.
    stepped : bool
        Time moves only when `host.paper.venue.PaperVenue.step_to` is called, or the control
        endpoint that calls it.
    rebase : bool
        The first frame happens now; else at the time of the capture.
    control : bool
        The control endpoint (faults, steps) is there.
    listen_key_ms : int
        Life of a listen key without a keepalive.
    spot, usdm : MarketSettings or None
        The markets; None: there is none.
    keys : tuple of KeySettings
        Who may trade.
    """

    model_config = _STRICT

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535)
    speed: Decimal = Field(Decimal(1), ge=0, le=1_000_000)
    stepped: bool = False
    rebase: bool = True
    control: bool = False
    listen_key_ms: int = Field(3_600_000, ge=1000)
    spot: MarketSettings | None = None
    usdm: MarketSettings | None = None
    keys: tuple[KeySettings, ...] = (KeySettings(key="paperkey", secret="papersecret"),)

    @property
    def paced(self) -> bool:
        """Whether the market's time runs at another pace than the machine's clock, or elsewhere."""
        return self.stepped or not self.rebase or self.speed != 1
