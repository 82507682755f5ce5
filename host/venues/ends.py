# SPDX-License-Identifier: Apache-2.0
"""Which of the four ends of `host.venues.interface` a failed request had."""

from __future__ import annotations

from collections.abc import Mapping

import ccxt

from host.venues.interface import Busy, Refused, Unknown, VenueFault

__all__ = ["NotThere", "end_of", "retry_after_s"]

#: Codes of Binance that leave open what became of a request.
_AMBIGUOUS = ('"code":-1000', '"code":-1001', '"code":-1006', '"code":-1007')
#: An order of our name is there already: an earlier request has arrived after all.
_DUPLICATE = ("Duplicate order sent", '"code":-4116', "uplicate clOrdId", "uplicate order")
#: Wait where the venue gives no time.
_BACKOFF_S = 60.0


class NotThere(Refused):
    """The venue says that it knows no such order."""


def end_of(error: Exception, text: str, headers: Mapping[str, str] | None) -> VenueFault:
    """The end of a request, of the error it raised.

    Whatever has no name here may have been handled: it is `Unknown`.

    Parameters
    ----------
    error : Exception
        What was raised.
    text : str
        What it says, without keys.
    headers : mapping or None
        Of the answer, for Retry-After.
    """
    if isinstance(error, (Refused, Busy, Unknown)):
        return error
    if isinstance(error, ccxt.OrderNotFound):
        return NotThere(text)
    if any(mark in text for mark in _AMBIGUOUS):
        return Unknown(text)
    if isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded)):
        return Busy(text, retry_after_s(headers))
    if isinstance(error, ccxt.InvalidNonce):
        return Refused(text, "clock")
    if isinstance(error, (ccxt.NetworkError, ccxt.OperationFailed)):
        return Unknown(text)
    if isinstance(error, ccxt.DuplicateOrderId) or any(mark in text for mark in _DUPLICATE):
        return Unknown(text)
    refusals = (
        ccxt.ArgumentsRequired,
        ccxt.AuthenticationError,
        ccxt.BadRequest,
        ccxt.InsufficientFunds,
        ccxt.InvalidOrder,
        ccxt.NotSupported,
        ccxt.OperationRejected,
    )
    if isinstance(error, refusals) or (isinstance(error, ccxt.ExchangeError) and "code" in text):
        return Refused(text, _code(text))
    return Unknown(text)


def retry_after_s(headers: Mapping[str, str] | None) -> float:
    """Seconds to wait by the headers of an answer."""
    for name, value in (headers or {}).items():
        if name.lower() == "retry-after" and value.isdigit():
            return float(value)
    return _BACKOFF_S


def _code(text: str) -> str:
    _, found, rest = text.partition('"code":')
    return rest.split(",", 1)[0].strip(' "}') if found else ""
