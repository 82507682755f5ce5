# SPDX-License-Identifier: Apache-2.0
"""REST interface of USD-M futures, ``/fapi/v1`` to ``/fapi/v3``: account, market, listen keys."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from host.paper.call import KEY, SIGNED, TRADE, Call, Endpoint, Table
from host.paper.errors import refusal
from host.paper.exchange import Exchange
from host.paper.listen import ListenKeys
from host.paper.market_api import MarketData
from host.paper.symbols import SymbolSpec, plain
from host.paper.usdm import Position, UsdmAccount
from host.paper.usdm_orders import UsdmOrders
from host.paper.usdm_render import UsdmEvents, amount, position_json

__all__ = ["UsdmApi"]

_DONE = {"code": 200, "msg": "success"}
_ZERO = Decimal(0)


def _depth_weight(call: Call) -> int:
    limit = call.whole("limit", 500) or 500
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def _open_weight(call: Call) -> int:
    return 1 if call.maybe("symbol") else 40


class UsdmApi:
    """Endpoints of the futures market.

    Parameters
    ----------
    exchange, account, events : Exchange, UsdmAccount, UsdmEvents
        The market.
    data : MarketData
        Answers about it.
    keys : ListenKeys
        Listen keys of user-data streams.
    funding_rate : callable
        Rate of the next funding and its time in milliseconds.
    countdown : callable
        Called with a symbol and milliseconds; 0 ends the countdown.
    """

    def __init__(
        self,
        exchange: Exchange,
        account: UsdmAccount,
        events: UsdmEvents,
        data: MarketData,
        keys: ListenKeys,
        funding_rate: Callable[[], tuple[Decimal, int]],
        countdown: Callable[[str, int], None],
    ) -> None:
        self._exchange = exchange
        self._account = account
        self._events = events
        self._keys = keys
        self._funding_rate = funding_rate
        self._countdown = countdown
        self.table = self._endpoints(data) | UsdmOrders(exchange).table

    def _endpoints(self, data: MarketData) -> Table:
        v1 = "/fapi/v1/"
        found: Table = {
            ("GET", v1 + "ping"): Endpoint(data.ping),
            ("GET", v1 + "time"): Endpoint(data.time),
            ("GET", v1 + "exchangeInfo"): Endpoint(data.info),
            ("GET", v1 + "depth"): Endpoint(data.depth, _depth_weight),
            ("GET", v1 + "trades"): Endpoint(data.trades, 5),
            ("GET", v1 + "historicalTrades"): Endpoint(data.trades, 20, KEY),
            ("GET", v1 + "aggTrades"): Endpoint(data.aggregate, 20),
            ("GET", v1 + "ticker/24hr"): Endpoint(data.day, _open_weight),
            ("GET", v1 + "premiumIndex"): Endpoint(self._premium),
            ("GET", v1 + "fundingRate"): Endpoint(self._funding_history),
            ("GET", v1 + "fundingInfo"): Endpoint(lambda call: []),
            ("GET", v1 + "income"): Endpoint(self._income, 30, SIGNED),
            ("GET", v1 + "commissionRate"): Endpoint(self._commission, 20, SIGNED),
            ("GET", v1 + "leverageBracket"): Endpoint(self._brackets, 1, SIGNED),
            ("POST", v1 + "leverage"): Endpoint(self._leverage, 1, TRADE),
            ("POST", v1 + "marginType"): Endpoint(self._margin_type, 1, TRADE),
            ("POST", v1 + "positionSide/dual"): Endpoint(self._dual, 1, TRADE),
            ("GET", v1 + "positionSide/dual"): Endpoint(self._is_dual, 30, SIGNED),
            ("GET", v1 + "multiAssetsMargin"): Endpoint(
                lambda call: {"multiAssetsMargin": False}, 30, SIGNED
            ),
            ("GET", v1 + "symbolConfig"): Endpoint(self._symbol_config, 5, SIGNED),
            ("GET", v1 + "accountConfig"): Endpoint(self._account_config, 5, SIGNED),
            ("POST", v1 + "countdownCancelAll"): Endpoint(self._dead_man, 10, TRADE),
            ("POST", v1 + "listenKey"): Endpoint(keys_create(self._keys), 1, KEY),
            ("PUT", v1 + "listenKey"): Endpoint(keys_keep(self._keys), 1, KEY),
            ("DELETE", v1 + "listenKey"): Endpoint(keys_close(self._keys), 1, KEY),
        }
        for version in ("/fapi/v1/", "/fapi/v2/"):
            found["GET", version + "ticker/price"] = Endpoint(data.price)
        found["GET", v1 + "ticker/bookTicker"] = Endpoint(data.book_ticker, 2)
        for version in ("/fapi/v1/", "/fapi/v2/", "/fapi/v3/"):
            found["GET", version + "balance"] = Endpoint(self._balance, 5, SIGNED)
            found["GET", version + "account"] = Endpoint(self._account_info, 5, SIGNED)
            found["GET", version + "positionRisk"] = Endpoint(self._position_risk, 5, SIGNED)
        return found

    # account

    def _balance(self, call: Call) -> object:
        account, now_ms = self._account, self._exchange.now_us() // 1000
        found = []
        for asset, wallet in account.wallet.items():
            free = amount(max(_ZERO, account.available(asset)))
            found.append(
                {
                    "accountAlias": "paper",
                    "asset": asset,
                    "balance": amount(wallet),
                    "crossWalletBalance": amount(wallet),
                    "crossUnPnl": amount(account.profit(asset)),
                    "availableBalance": free,
                    "maxWithdrawAmount": free,
                    "marginAvailable": True,
                    "updateTime": now_ms,
                }
            )
        return found

    def _account_info(self, call: Call) -> object:
        account, now_us = self._account, self._exchange.now_us()
        assets = []
        totals = dict.fromkeys(("wallet", "profit", "initial", "maint", "free"), _ZERO)
        for asset, wallet in account.wallet.items():
            held = [p for p in account.positions.values() if p.spec.quote == asset]
            profit, free = account.profit(asset), max(_ZERO, account.available(asset))
            margin = sum((account.position_margin(p) for p in held), _ZERO)
            maint = account.maintenance(asset)
            initial = wallet + profit - account.available(asset)
            for name, value in zip(totals, (wallet, profit, initial, maint, free), strict=True):
                totals[name] += value
            assets.append(
                {
                    "asset": asset,
                    "walletBalance": amount(wallet),
                    "unrealizedProfit": amount(profit),
                    "marginBalance": amount(wallet + profit),
                    "maintMargin": amount(maint),
                    "initialMargin": amount(initial),
                    "positionInitialMargin": amount(margin),
                    "openOrderInitialMargin": amount(initial - margin),
                    "crossWalletBalance": amount(wallet),
                    "crossUnPnl": amount(profit),
                    "availableBalance": amount(free),
                    "maxWithdrawAmount": amount(free),
                    "marginAvailable": True,
                    "updateTime": now_us // 1000,
                }
            )
        return {
            "feeTier": 0,
            "canTrade": bool(call.key and call.key.trade),
            "canDeposit": False,
            "canWithdraw": bool(call.key and call.key.withdraw),
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
            "totalInitialMargin": amount(totals["initial"]),
            "totalMaintMargin": amount(totals["maint"]),
            "totalWalletBalance": amount(totals["wallet"]),
            "totalUnrealizedProfit": amount(totals["profit"]),
            "totalMarginBalance": amount(totals["wallet"] + totals["profit"]),
            "totalPositionInitialMargin": amount(totals["initial"]),
            "totalOpenOrderInitialMargin": amount(_ZERO),
            "totalCrossWalletBalance": amount(totals["wallet"]),
            "totalCrossUnPnl": amount(totals["profit"]),
            "availableBalance": amount(totals["free"]),
            "maxWithdrawAmount": amount(totals["free"]),
            "assets": assets,
            "positions": [self._position(p) for p in self._shown(None)],
        }

    def _position_risk(self, call: Call) -> object:
        name = call.maybe("symbol")
        if name is not None:
            self._exchange.spec(name)
        return [self._position(p) for p in self._shown(name)]

    def _position(self, position: Position) -> dict[str, object]:
        mark = self._exchange.books[position.spec.name].mark_ticks
        return position_json(self._account, position, mark, self._exchange.now_us())

    def _shown(self, name: str | None) -> list[Position]:
        sides = ("LONG", "SHORT") if self._account.hedged else ("BOTH",)
        names = [name] if name is not None else list(self._exchange.specs)
        specs = [self._exchange.specs[one] for one in names]
        return [self._account.position(spec, side) for spec in specs for side in sides]

    def _income(self, call: Call) -> object:
        name, kind = call.maybe("symbol"), call.maybe("incomeType")
        limit = min(call.whole("limit", 100) or 100, 1000)
        start, end = call.whole("startTime", 0) or 0, call.whole("endTime", 1 << 62) or 0
        found = [
            {
                "symbol": entry.symbol,
                "incomeType": entry.kind,
                "income": amount(entry.amount),
                "asset": entry.asset,
                "time": entry.time_us // 1000,
                "info": str(entry.trade_id) if entry.trade_id else "",
                "tranId": entry.tran_id,
                "tradeId": str(entry.trade_id) if entry.trade_id else "",
            }
            for entry in self._account.income
            if name in (None, entry.symbol)
            and kind in (None, entry.kind)
            and start <= entry.time_us // 1000 <= end
        ]
        return found[-limit:]

    def _commission(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        return {
            "symbol": spec.name,
            "makerCommissionRate": plain(self._account.maker_rate),
            "takerCommissionRate": plain(self._account.taker_rate),
        }

    def _brackets(self, call: Call) -> object:
        name = call.maybe("symbol")
        specs = [self._exchange.spec(name)] if name else list(self._exchange.specs.values())

        def entry(spec: SymbolSpec) -> dict[str, object]:
            bracket = {
                "bracket": 1,
                "initialLeverage": spec.max_leverage,
                "notionalCap": 1_000_000_000,
                "notionalFloor": 0,
                "maintMarginRatio": float(spec.maint_margin),
                "cum": 0.0,
            }
            return {"symbol": spec.name, "notionalCoef": 1.0, "brackets": [bracket]}

        return entry(specs[0]) if name else [entry(spec) for spec in specs]

    def _leverage(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        call.text("leverage")
        leverage = call.whole("leverage") or 0
        if not 1 <= leverage <= spec.max_leverage:
            raise refusal("leverage", leverage=leverage)
        before = self._account.leverage_of(spec)
        self._account.leverage[spec.name] = leverage
        if self._account.available(spec.quote) < 0 and leverage < before:
            self._account.leverage[spec.name] = before
            raise refusal("margin")
        self._events.account("MARGIN_TYPE_CHANGE", spec.name)
        return {"symbol": spec.name, "leverage": leverage, "maxNotionalValue": "1000000000"}

    def _margin_type(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        kind = call.one_of("marginType", ("ISOLATED", "CROSSED", "CROSS"), None, "combination")
        isolated = kind == "ISOLATED"
        if isolated == self._account.isolated.get(spec.name, False):
            raise refusal("margin_type_same")
        if self._exchange.open_orders(spec.name):
            raise refusal("margin_type_orders")
        if any(p.lots for (name, _), p in self._account.positions.items() if name == spec.name):
            raise refusal("margin_type_position")
        self._account.isolated[spec.name] = isolated
        return _DONE

    def _dual(self, call: Call) -> object:
        call.text("dualSidePosition")
        dual = call.flag("dualSidePosition")
        if dual == self._account.hedged:
            raise refusal("position_side_same")
        if self._exchange.open_orders():
            raise refusal("position_side_orders")
        if any(p.lots for p in self._account.positions.values()):
            raise refusal("position_side_position")
        self._account.hedged = dual
        return _DONE

    def _is_dual(self, call: Call) -> object:
        return {"dualSidePosition": self._account.hedged}

    def _symbol_config(self, call: Call) -> object:
        name = call.maybe("symbol")
        specs = [self._exchange.spec(name)] if name else list(self._exchange.specs.values())
        return [
            {
                "symbol": spec.name,
                "marginType": "ISOLATED" if self._account.isolated.get(spec.name) else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": self._account.leverage_of(spec),
                "maxNotionalValue": "1000000000",
            }
            for spec in specs
        ]

    def _account_config(self, call: Call) -> object:
        return {
            "feeTier": 0,
            "canTrade": bool(call.key and call.key.trade),
            "canDeposit": False,
            "canWithdraw": bool(call.key and call.key.withdraw),
            "dualSidePosition": self._account.hedged,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def _dead_man(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        call.text("countdownTime")
        time_ms = call.whole("countdownTime") or 0
        self._countdown(spec.name, time_ms)
        return {"symbol": spec.name, "countdownTime": str(time_ms)}

    # marks and funding

    def _premium(self, call: Call) -> object:
        name = call.maybe("symbol")
        specs = [self._exchange.spec(name)] if name else list(self._exchange.specs.values())
        rate, next_ms = self._funding_rate()

        def entry(spec: SymbolSpec) -> dict[str, object]:
            mark = (self._exchange.books[spec.name].mark_ticks or 0) * spec.tick
            return {
                "symbol": spec.name,
                "markPrice": amount(mark),
                "indexPrice": amount(mark),
                "estimatedSettlePrice": amount(mark),
                "lastFundingRate": amount(rate),
                "interestRate": "0.00010000",
                "nextFundingTime": next_ms,
                "time": self._exchange.now_us() // 1000,
            }

        return entry(specs[0]) if name else [entry(spec) for spec in specs]

    def _funding_history(self, call: Call) -> object:
        name = call.maybe("symbol")
        rate, _ = self._funding_rate()
        times = sorted(
            {
                (entry.symbol, entry.time_us // 1000)
                for entry in self._account.income
                if entry.kind == "FUNDING_FEE" and name in (None, entry.symbol)
            }
        )
        return [
            {"symbol": symbol, "fundingRate": amount(rate), "fundingTime": ms, "markPrice": ""}
            for symbol, ms in times
        ]


def keys_create(keys: ListenKeys) -> Callable[[Call], object]:
    """``POST listenKey``."""
    return lambda call: {"listenKey": keys.create(call.key.key if call.key else "")}


def keys_keep(keys: ListenKeys) -> Callable[[Call], object]:
    """``PUT listenKey``."""

    def answer(call: Call) -> object:
        found = keys.keep(call.key.key if call.key else "", call.maybe("listenKey"))
        return {"listenKey": found}

    return answer


def keys_close(keys: ListenKeys) -> Callable[[Call], object]:
    """``DELETE listenKey``."""

    def answer(call: Call) -> object:
        keys.close(call.key.key if call.key else "", call.maybe("listenKey"))
        return {}

    return answer
