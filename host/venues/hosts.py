# SPDX-License-Identifier: Apache-2.0
"""Which hosts may be spoken to in which mode, and the confirmation that live trading needs.

Every address of a ccxt object, the nested ones of its WebSockets included, is compared with the
list before a key is put into it, and each address again when a request or connection is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from urllib.parse import urlsplit

__all__ = ["LIVE_VARIABLE", "Mode", "ModeError", "addresses", "check_addresses", "check_live"]

#: Environment variable that confirms live trading; its value is the phrase below.
LIVE_VARIABLE = "TICKGATE_LIVE"


class ModeError(Exception):
    """A mode that is not possible or not confirmed, or an address that is not of the mode."""


class Mode(str, Enum):
    """Where orders go."""

    PAPER = "paper"
    TESTNET = "testnet"
    LIVE = "live"


_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_BINANCE_TEST = frozenset(
    {
        "demo-api.binance.com",
        "demo-dapi.binance.com",
        "demo-fapi.binance.com",
        "demo-stream.binance.com",
        "demo-ws-api.binance.com",
        "dstream.binancefuture.com",
        "fstream.binancefuture.com",
        "stream.testnet.binance.vision",
        "testnet.binance.vision",
        "testnet.binancefuture.com",
        "ws-api.testnet.binance.vision",
    }
)
_BINANCE_LIVE = frozenset(
    {
        "api.binance.com",
        "dapi.binance.com",
        "dstream.binance.com",
        "eapi.binance.com",
        "fapi.binance.com",
        "fstream.binance.com",
        "nbstream.binance.com",
        "papi.binance.com",
        "stream.binance.com",
        "ws-api.binance.com",
        "ws-dapi.binance.com",
        "ws-fapi.binance.com",
    }
)
_BYBIT_TEST = frozenset({"api-testnet.bybit.com", "stream-testnet.bybit.com"})
_KRAKEN_TEST = frozenset({"demo-futures.kraken.com"})

#: Hosts by venue and mode. OKX serves its simulated trading at the live host for requests with
#: the header x-simulated-trading; see `host.venues.guarded`.
HOSTS: dict[str, dict[Mode, frozenset[str]]] = {
    "binance": {Mode.TESTNET: _BINANCE_TEST, Mode.LIVE: _BINANCE_LIVE},
    "binanceusdm": {Mode.TESTNET: _BINANCE_TEST, Mode.LIVE: _BINANCE_LIVE},
    "bybit": {
        Mode.TESTNET: _BYBIT_TEST,
        Mode.LIVE: frozenset({"api.bybit.com", "stream.bybit.com"}),
    },
    "okx": {
        Mode.TESTNET: frozenset({"www.okx.com", "wspap.okx.com"}),
        Mode.LIVE: frozenset({"www.okx.com", "ws.okx.com"}),
    },
    "deribit": {
        Mode.TESTNET: frozenset({"test.deribit.com"}),
        Mode.LIVE: frozenset({"www.deribit.com"}),
    },
    "krakenfutures": {
        Mode.TESTNET: _KRAKEN_TEST,
        Mode.LIVE: frozenset({"futures.kraken.com"}),
    },
}


def allowed(venue: str, mode: Mode) -> frozenset[str]:
    """Hosts of a venue in a mode.

    Raises
    ------
    ModeError
        The venue is not known.
    """
    if venue not in HOSTS:
        raise ModeError(f"venue: expected one of {', '.join(sorted(HOSTS))}, was {venue!r}")
    if mode is Mode.PAPER:
        return _LOOPBACK
    return HOSTS[venue][mode]


def addresses(found: object, hostname: str = "") -> Iterator[str]:
    """All addresses in nested mappings and lists, with ccxt's ``{hostname}`` filled in."""
    if isinstance(found, str):
        yield found.replace("{hostname}", hostname)
    elif isinstance(found, Mapping):
        for value in found.values():
            yield from addresses(value, hostname)
    elif isinstance(found, (list, tuple)):
        for value in found:
            yield from addresses(value, hostname)


def check_addresses(venue: str, mode: Mode, found: object, hostname: str = "") -> None:
    """Refuse addresses that are not of the mode.

    Parameters
    ----------
    venue : str
        ccxt's name of the exchange.
    mode : Mode
        The mode.
    found : object
        Addresses, as `addresses` takes them.
    hostname : str
        ccxt's host name of the exchange.

    Raises
    ------
    ModeError
        One of them is of another host, has no encryption (paper excepted), or there is none.
    """
    hosts, number = allowed(venue, mode), 0
    for address in addresses(found, hostname):
        number += 1
        parts = urlsplit(address)
        if parts.hostname not in hosts:
            raise ModeError(
                f"{venue}: expected a host of the mode {mode.value}, was {parts.hostname!r}"
            )
        if mode is not Mode.PAPER and parts.scheme not in ("https", "wss"):
            raise ModeError(f"{venue}: expected https or wss, was {parts.scheme}://")
        if parts.username or parts.password:
            raise ModeError(f"{venue}: expected an address without a user, was one with")
    if not number:
        raise ModeError(f"{venue}: expected addresses for the mode {mode.value}, was none")


def check_live(
    venue: str, mode: Mode, flag: bool, environment: Mapping[str, str], typed: str | None = None
) -> None:
    """Refuse live trading that is not confirmed twice.

    Parameters
    ----------
    venue : str
        Name of the exchange.
    mode : Mode
        Other modes need nothing.
    flag : bool
        The option for live trading was given.
    environment : mapping
        Where `LIVE_VARIABLE` is looked for.
    typed : str or None
        What a person has typed.

    Raises
    ------
    ModeError
        The flag is missing, or neither the variable nor the typed text is ``live VENUE``.
    """
    if mode is not Mode.LIVE:
        return
    if not flag:
        raise ModeError("mode live: expected the option --live as well, was none")
    phrase = f"live {venue}"
    if phrase not in (typed, environment.get(LIVE_VARIABLE)):
        raise ModeError(
            f"mode live: expected {phrase!r} typed or in {LIVE_VARIABLE}, was something else"
        )
