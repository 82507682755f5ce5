# SPDX-License-Identifier: Apache-2.0
"""Order requests of Binance without ccxt's detours; the bytes are the same.

For limit and market orders of one symbol everything but side, quantity, price, client id and
time is known beforehand. What ccxt builds for the same order is compared byte for byte in
``tests/venues/test_lean.py``; whatever this class does not take goes through ccxt.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from host.venues.interface import OrderRequest

__all__ = ["LeanBinance", "LeanRequest"]

_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


class LeanRequest(NamedTuple):
    """A request ready to be sent: POST, form-encoded."""

    url: str
    body: bytes
    headers: dict[str, str]


class LeanBinance:
    """Builds order requests.

    Parameters
    ----------
    url : str
        Address orders are posted to.
    market_id : str
        The venue's name of the symbol.
    spot : bool
        Spot, else USD-M futures.
    key, secret : str
        HMAC keys; other kinds of keys go through ccxt.
    recv_window_ms : int
        As ccxt's option ``recvWindow``.

    Raises
    ------
    ValueError
        The secret is no shared secret.
    """

    def __init__(
        self,
        url: str,
        market_id: str,
        spot: bool,
        key: str,
        secret: str,
        recv_window_ms: int = 5000,
    ) -> None:
        if "PRIVATE KEY" in secret:
            raise ValueError("expected a shared secret, was a private key")
        self._url = url
        self._spot = spot
        # copied for each request: the two passes over the padded key are made once
        self._mac = hmac.new(secret.encode(), digestmod=hashlib.sha256)
        self._headers = {
            "X-MBX-APIKEY": key,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._symbol = f"&symbol={market_id}&side="
        self._window = f"&recvWindow={recv_window_ms}"

    def takes(self, request: OrderRequest) -> bool:
        """Whether an order is of a kind that is built here."""
        return (
            request.trigger is None
            and (request.price is not None or request.tif == "GTC")
            and not (self._spot and request.reduce_only)
            and _SAFE.issuperset(request.client_id)
        )

    def build(self, request: OrderRequest, time_ms: int) -> LeanRequest:
        """The request for an order.

        Parameters
        ----------
        request : OrderRequest
            One that `takes` accepts, with quantity and price on the grid.
        time_ms : int
            Timestamp, in the venue's clock.
        """
        limit, gtx = request.price is not None, request.tif == "GTX"
        kind = "MARKET" if not limit else "LIMIT_MAKER" if gtx and self._spot else "LIMIT"
        parts = [
            f"timestamp={time_ms}",
            self._symbol,
            request.side.upper(),
            "&newClientOrderId=",
            request.client_id,
            "&newOrderRespType=",
            "FULL" if self._spot else "RESULT",
            "&type=",
            kind,
            f"&quantity={_plain(request.qty)}",
        ]
        if limit:
            parts.append(f"&price={_plain(request.price)}")
            if kind == "LIMIT":
                parts.append(f"&timeInForce={request.tif}")
        if request.reduce_only:
            parts.append("&reduceOnly=true")
        parts.append(self._window)
        query = "".join(parts).encode()
        mac = self._mac.copy()
        mac.update(query)
        body = query + b"&signature=" + mac.hexdigest().encode()
        return LeanRequest(self._url, body, self._headers)


def _plain(value: object) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
