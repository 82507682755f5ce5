# SPDX-License-Identifier: Apache-2.0
"""The WebSocket API: the REST endpoints under other names, and user-data subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from host.paper.auth import ApiKey
from host.paper.call import NONE, SIGNED, TRADE, Call, Endpoint
from host.paper.connection import SocketConnection
from host.paper.errors import VenueError, refusal
from host.paper.symbols import SPOT
from host.paper.venue import Market

if TYPE_CHECKING:
    from host.paper.server import PaperServer

__all__ = ["WebSocketApi"]

_SPOT = {
    "ping": "GET ping",
    "time": "GET time",
    "exchangeInfo": "GET exchangeInfo",
    "depth": "GET depth",
    "trades.recent": "GET trades",
    "trades.historical": "GET historicalTrades",
    "trades.aggregate": "GET aggTrades",
    "ticker.price": "GET ticker/price",
    "ticker.book": "GET ticker/bookTicker",
    "ticker.24hr": "GET ticker/24hr",
    "order.place": "POST order",
    "order.test": "POST order/test",
    "order.status": "GET order",
    "order.cancel": "DELETE order",
    "order.cancelReplace": "POST order/cancelReplace",
    "order.amend.keepPriority": "PUT order/amend/keepPriority",
    "openOrders.status": "GET openOrders",
    "openOrders.cancelAll": "DELETE openOrders",
    "allOrders": "GET allOrders",
    "myTrades": "GET myTrades",
    "account.status": "GET account",
    "account.commission": "GET account/commission",
    "userDataStream.start": "POST userDataStream",
    "userDataStream.ping": "PUT userDataStream",
    "userDataStream.stop": "DELETE userDataStream",
}
_USDM = {
    "ping": "GET v1/ping",
    "time": "GET v1/time",
    "depth": "GET v1/depth",
    "ticker.price": "GET v1/ticker/price",
    "ticker.book": "GET v1/ticker/bookTicker",
    "order.place": "POST v1/order",
    "order.modify": "PUT v1/order",
    "order.status": "GET v1/order",
    "order.cancel": "DELETE v1/order",
    "algoOrder.place": "POST v1/algoOrder",
    "algoOrder.cancel": "DELETE v1/algoOrder",
    "account.position": "GET v2/positionRisk",
    "v2/account.position": "GET v3/positionRisk",
    "account.balance": "GET v2/balance",
    "v2/account.balance": "GET v3/balance",
    "account.status": "GET v2/account",
    "v2/account.status": "GET v3/account",
    "userDataStream.start": "POST v1/listenKey",
    "userDataStream.ping": "PUT v1/listenKey",
    "userDataStream.stop": "DELETE v1/listenKey",
}


class WebSocketApi:
    """Answers requests of one market.

    Parameters
    ----------
    server : PaperServer
        Whose endpoints they are.
    market : Market
        The market.
    """

    def __init__(self, server: PaperServer, market: Market) -> None:
        self._server = server
        self._market = market
        self._spot = market.name == SPOT
        self._logged_on: dict[SocketConnection, ApiKey] = {}
        self._subscriptions = 0

    async def answer(self, connection: SocketConnection, text: str) -> dict[str, object] | None:
        """Answer one request; None where a fault swallows the answer."""
        number: object = None
        call = Call({}, self._server.venue.now_ms)
        try:
            request = orjson.loads(text)
            if type(request) is not dict or type(request.get("method")) is not str:
                raise refusal("parameter", name="method")
            number = request.get("id")
            given = request.get("params") or {}
            if type(given) is not dict:
                raise refusal("parameter", name="params")
            fault = self._server.venue.faults.take("WS", request["method"])
            if fault is not None and fault.kind.endswith("before"):
                if fault.kind == "drop_before":
                    connection.cut()
                return None
            call.params = {str(name): _text(value) for name, value in given.items()}
            status, key, found = 200, "result", await self._perform(connection, request, call)
            if fault is not None:
                if fault.kind.startswith("drop"):
                    connection.cut()
                return None
        except orjson.JSONDecodeError:
            status, key, found = 400, "error", refusal("parameter", name="request").body()
        except VenueError as error:
            status, key, found = error.status, "error", error.body()
        used = self._market.limiter.used(call.now_ms)
        limit = self._market.limiter.limits.rate_limits()[0]
        return {
            "id": number,
            "status": status,
            key: found,
            "rateLimits": [{**limit, "count": used}],
        }

    async def _perform(
        self, connection: SocketConnection, request: dict[str, object], call: Call
    ) -> object:
        method = str(request["method"])
        if method == "session.logon":
            key = self._check(connection, call)
            self._logged_on[connection] = key
            return {"apiKey": key.key, "authorizedSince": call.now_ms, "serverTime": call.now_ms}
        if method in ("userDataStream.subscribe.signature", "userDataStream.subscribe"):
            self._check(connection, call)
            return self._subscribe(connection)
        if method == "userDataStream.unsubscribe":
            self._market.user_connections.pop(connection, None)
            return {}
        endpoint = self._endpoint(method)
        weight = endpoint.weight if isinstance(endpoint.weight, int) else endpoint.weight(call)
        self._market.limiter.request(weight, call.now_ms)
        if endpoint.security in (SIGNED, TRADE):
            call.key = self._check(connection, call)
        elif endpoint.security != NONE:
            call.key = self._server.venue.keys.find(call.maybe("apiKey"))
        return await self._server.perform(self._market, endpoint, call)

    def _endpoint(self, method: str) -> Endpoint:
        named = (_SPOT if self._spot else _USDM).get(method)
        if named is None:
            raise VenueError(400, -1020, "This operation is not supported.")
        verb, path = named.split()
        prefix = "/api/v3/" if self._spot else "/fapi/"
        return self._market.table[verb, prefix + path]

    def _check(self, connection: SocketConnection, call: Call) -> ApiKey:
        keys = self._server.venue.keys
        known = self._logged_on.get(connection)
        if known is not None and call.maybe("signature") is None:
            return known
        key = keys.find(call.maybe("apiKey"))
        keys.check_time(call.maybe("timestamp"), call.maybe("recvWindow"), call.now_ms)
        signed = "&".join(f"{n}={v}" for n, v in sorted(call.params.items()) if n != "signature")
        keys.check_signature(key, signed.encode(), call.maybe("signature"))
        return key

    def _subscribe(self, connection: SocketConnection) -> dict[str, object]:
        if not self._spot:
            raise VenueError(400, -1020, "This operation is not supported.")
        number = self._subscriptions
        self._subscriptions += 1
        head = b'{"subscriptionId":' + str(number).encode() + b',"event":'
        self._market.user_connections[connection] = lambda payload: head + payload + b"}"
        return {"subscriptionId": number}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        return orjson.dumps(value).decode()
    return str(value)
