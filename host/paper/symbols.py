# SPDX-License-Identifier: Apache-2.0
"""Symbols of the paper venue, their filters, and the exchangeInfo that states them.

A symbol that is not in the table below takes its tick and lot from the capture's first snapshot
(`host.feeds.scale.infer_tick`, `infer_lot`) and wide limits for the rest. The values of the
table are those the venue listed in 2024; a configuration may replace each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from host.feeds.scale import Scale, ScaleError
from host.paper.errors import VenueError, refusal

__all__ = ["KNOWN", "SPOT", "USDM", "SymbolSpec", "exchange_info", "guess"]

SPOT, USDM = "spot", "usdm"
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "TRY")
_USDM_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
_SPOT_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
_LIMIT = 1 << 62


def plain(value: Decimal) -> str:
    """Decimal without exponent and without superfluous zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class SymbolSpec:
    """A symbol and its filters.

    Attributes
    ----------
    name, base, quote, market : str
        Names; the market is ``spot`` or ``usdm``.
    tick, lot : Decimal
        Steps of price and quantity.
    max_price, max_qty, max_market_qty : Decimal
        Largest values; the least are one tick and one lot.
    min_notional : Decimal
        Least price x quantity, in the quote asset.
    multiplier_up, multiplier_down : Decimal
        PERCENT_PRICE: a limit price against the mark (futures) or last price (spot).
    max_orders, max_algo_orders : int
        Open orders of the symbol.
    max_leverage : int
        Futures only.
    maint_margin : Decimal
        Maintenance margin rate, futures only; one bracket.
    """

    name: str
    base: str
    quote: str
    market: str
    tick: Decimal
    lot: Decimal
    max_price: Decimal = Decimal(1_000_000)
    max_qty: Decimal = Decimal(9000)
    max_market_qty: Decimal = Decimal(1000)
    min_notional: Decimal = Decimal(5)
    multiplier_up: Decimal = Decimal("1.05")
    multiplier_down: Decimal = Decimal("0.95")
    max_orders: int = 200
    max_algo_orders: int = 10
    max_leverage: int = 125
    maint_margin: Decimal = Decimal("0.004")
    prices: Scale = field(init=False, repr=False, compare=False)
    lots: Scale = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prices", Scale(self.tick, name="price", limit=_LIMIT))
        object.__setattr__(self, "lots", Scale(self.lot, name="qty", limit=_LIMIT))

    @property
    def unit(self) -> Decimal:
        """Quote amount of one tick times one lot."""
        return self.tick * self.lot

    def price_text(self, ticks: int) -> str:
        """A price as the venue writes it."""
        if self.market == SPOT:
            return f"{ticks * self.tick:.8f}"
        return self.prices.text(ticks)

    def qty_text(self, lots: int) -> str:
        """A quantity as the venue writes it."""
        if self.market == SPOT:
            return f"{lots * self.lot:.8f}"
        return self.lots.text(lots)

    def price_ticks(self, text: str) -> int:
        """A price of a request.

        Raises
        ------
        VenueError
            -1100, -1111, -1013 or the futures' own codes.
        """
        ticks = self._units(text, self.prices, "price")
        if ticks < 1:
            raise self._refuse("PRICE_FILTER", "min_price")
        if ticks * self.tick > self.max_price:
            raise self._refuse("PRICE_FILTER", "max_price")
        return ticks

    def qty_lots(self, text: str, market_order: bool = False) -> int:
        """A quantity of a request.

        Raises
        ------
        VenueError
            -1100, -1111, -1013 or the futures' own codes.
        """
        lots = self._units(text, self.lots, "quantity")
        name = "MARKET_LOT_SIZE" if market_order else "LOT_SIZE"
        if lots < 1:
            raise self._refuse("LOT_SIZE", "qty_below")
        if lots * self.lot > (self.max_market_qty if market_order else self.max_qty):
            raise self._refuse(name, "qty_max")
        return lots

    def check_notional(self, price_ticks: int, qty_lots: int) -> None:
        """Refuse an order below the least notional.

        Raises
        ------
        VenueError
            -4164 on futures, -1013 on spot.
        """
        if price_ticks * qty_lots * self.unit < self.min_notional:
            if self.market == SPOT:
                raise refusal("filter", name="NOTIONAL")
            raise refusal("notional", least=plain(self.min_notional))

    def check_percent(self, price_ticks: int, reference_ticks: int, buy: bool) -> None:
        """Refuse a limit price too far on the wrong side of a reference.

        Raises
        ------
        VenueError
            -4016, -4024 on futures, -1013 on spot.
        """
        highest = int(reference_ticks * self.multiplier_up)
        lowest = -int(-(reference_ticks * self.multiplier_down) // 1)
        if self.market == SPOT:
            if not lowest <= price_ticks <= highest:
                raise refusal("filter", name="PERCENT_PRICE_BY_SIDE")
        elif buy and price_ticks > highest:
            raise refusal("multiplier_up", price=self.price_text(highest))
        elif not buy and price_ticks < lowest:
            raise refusal("multiplier_down", price=self.price_text(lowest))

    def _units(self, text: str, scale: Scale, name: str) -> int:
        try:
            return scale.units(text)
        except ScaleError as error:
            if error.reason.endswith("off_grid"):
                part = text.partition(".")[2]
                places = 8 if self.market == SPOT else self._precision(scale)
                if len(part.rstrip("0")) > places:
                    raise refusal("precision") from None
                steps = ("PRICE_FILTER", "price_step") if name == "price" else ("LOT_SIZE", "")
                raise self._refuse(steps[0], steps[1] or "qty_step") from None
            rule = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
            raise refusal("illegal", name=name, rule=rule) from None

    def _precision(self, scale: Scale) -> int:
        return max(_places(scale.step), 2 if scale is self.prices else 0)

    def _refuse(self, spot_filter: str, futures_name: str) -> VenueError:
        if self.market == SPOT:
            return refusal("filter", name=spot_filter)
        return refusal(futures_name)


def _places(step: Decimal) -> int:
    return len(plain(step).partition(".")[2])


def _spec(name: str, market: str, tick: str, lot: str, **changes: Any) -> SymbolSpec:
    base, quote = split_name(name)
    wide = (
        {"multiplier_up": Decimal(5), "multiplier_down": Decimal("0.2")} if market == SPOT else {}
    )
    return SymbolSpec(name, base, quote, market, Decimal(tick), Decimal(lot), **{**wide, **changes})


def split_name(name: str) -> tuple[str, str]:
    """Base and quote of a symbol name; the quote is the longest known one at its end."""
    for quote in sorted(_QUOTES, key=len, reverse=True):
        if name.endswith(quote) and len(name) > len(quote):
            return name[: -len(quote)], quote
    return name, "USDT"


KNOWN: dict[tuple[str, str], SymbolSpec] = {
    (USDM, "BTCUSDT"): _spec(
        "BTCUSDT",
        USDM,
        "0.1",
        "0.001",
        max_price=Decimal(4529764),
        max_qty=Decimal(1000),
        max_market_qty=Decimal(120),
        min_notional=Decimal(100),
    ),
    (USDM, "ETHUSDT"): _spec(
        "ETHUSDT",
        USDM,
        "0.01",
        "0.001",
        max_price=Decimal(306177),
        max_qty=Decimal(10000),
        max_market_qty=Decimal(2000),
        min_notional=Decimal(20),
    ),
    (SPOT, "BTCUSDT"): _spec("BTCUSDT", SPOT, "0.01", "0.00001", max_market_qty=Decimal(100)),
    (SPOT, "ETHUSDT"): _spec("ETHUSDT", SPOT, "0.01", "0.0001", max_market_qty=Decimal(2000)),
}


def guess(name: str, market: str, tick: Decimal, lot: Decimal) -> SymbolSpec:
    """Specification of a symbol that is not in the table."""
    return _spec(
        name,
        market,
        str(tick),
        str(lot),
        max_price=tick * 100_000_000,
        max_qty=lot * 100_000_000,
        max_market_qty=lot * 100_000_000,
    )


def _filters(spec: SymbolSpec) -> list[dict[str, object]]:
    lots = {"minQty": plain(spec.lot), "stepSize": plain(spec.lot)}
    found: list[dict[str, object]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": plain(spec.tick),
            "maxPrice": plain(spec.max_price),
            "tickSize": plain(spec.tick),
        },
        {"filterType": "LOT_SIZE", **lots, "maxQty": plain(spec.max_qty)},
        {"filterType": "MARKET_LOT_SIZE", **lots, "maxQty": plain(spec.max_market_qty)},
    ]
    up, down = plain(spec.multiplier_up), plain(spec.multiplier_down)
    if spec.market == SPOT:
        return [
            *found,
            {
                "filterType": "NOTIONAL",
                "minNotional": plain(spec.min_notional),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": up,
                "bidMultiplierDown": down,
                "askMultiplierUp": up,
                "askMultiplierDown": down,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": spec.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": spec.max_algo_orders},
        ]
    return [
        *found,
        {"filterType": "MAX_NUM_ORDERS", "limit": spec.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": spec.max_algo_orders},
        {"filterType": "MIN_NOTIONAL", "notional": plain(spec.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": up,
            "multiplierDown": down,
            "multiplierDecimal": 4,
        },
    ]


def _spot_symbol(spec: SymbolSpec) -> dict[str, object]:
    return {
        "symbol": spec.name,
        "status": "TRADING",
        "baseAsset": spec.base,
        "baseAssetPrecision": 8,
        "quoteAsset": spec.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(_SPOT_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(spec),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": [
            "NONE",
            "EXPIRE_TAKER",
            "EXPIRE_MAKER",
            "EXPIRE_BOTH",
        ],
    }


def _usdm_symbol(spec: SymbolSpec) -> dict[str, object]:
    return {
        "symbol": spec.name,
        "pair": spec.name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": plain(spec.maint_margin * 100),
        "requiredMarginPercent": "5.0000",
        "baseAsset": spec.base,
        "quoteAsset": spec.quote,
        "marginAsset": spec.quote,
        "pricePrecision": max(_places(spec.tick), 2),
        "quantityPrecision": _places(spec.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": _filters(spec),
        "orderTypes": list(_USDM_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def exchange_info(
    market: str, specs: list[SymbolSpec], now_ms: int, limits: list[dict[str, object]]
) -> dict[str, object]:
    """The answer of exchangeInfo.

    Parameters
    ----------
    market : str
        ``spot`` or ``usdm``.
    specs : list of SymbolSpec
        Symbols listed.
    now_ms : int
        The server's time.
    limits : list of dict
        Rate limits.
    """
    entry = _spot_symbol if market == SPOT else _usdm_symbol
    found: dict[str, object] = {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": [entry(spec) for spec in specs],
    }
    if market == USDM:
        assets = sorted({spec.quote for spec in specs})
        found["futuresType"] = "U_MARGINED"
        found["assets"] = [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in assets
        ]
    return found
