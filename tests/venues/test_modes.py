# SPDX-License-Identifier: Apache-2.0
"""No request leaves for a host of another mode, and nothing becomes live by itself."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

from host.venues import ccxt_venue, guarded
from host.venues.ccxt_venue import CcxtVenue
from host.venues.guarded import open_exchange
from host.venues.hosts import (
    HOSTS,
    LIVE_VARIABLE,
    Mode,
    ModeError,
    addresses,
    check_addresses,
    check_live,
)
from host.venues.keys import Credentials, KeyFileError, Redaction, load_credentials

VENUES = sorted(HOSTS)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("mode", [Mode.TESTNET, Mode.LIVE])
def test_all_addresses_of_a_venue_are_of_its_mode(venue: str, mode: Mode) -> None:
    exchange = open_exchange(venue, mode)
    found = list(addresses(exchange.urls["api"], exchange.hostname or ""))
    assert len(found) >= 2
    assert any(address.startswith("wss://") for address in found)
    check_addresses(venue, mode, found)


@pytest.mark.parametrize("venue", VENUES)
def test_a_live_object_is_refused_for_a_testnet(venue: str) -> None:
    live = open_exchange(venue, Mode.LIVE)
    with pytest.raises(ModeError):
        check_addresses(venue, Mode.TESTNET, live.urls["api"], live.hostname or "")


@pytest.mark.parametrize("venue", VENUES)
def test_one_nested_live_address_is_enough_to_refuse(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = getattr(ccxt.pro, venue)
    entry = kind.set_sandbox_mode, kind.enable_demo_trading

    def spoil(self: Any, on: bool, original: Any) -> None:
        original(self, on)
        self.urls["api"]["extra"] = {"deep": ["wss://stream.example.com/ws"]}

    monkeypatch.setattr(kind, "set_sandbox_mode", lambda s, on: spoil(s, on, entry[0]))
    monkeypatch.setattr(kind, "enable_demo_trading", lambda s, on: spoil(s, on, entry[1]))
    with pytest.raises(ModeError, match="expected a host of the mode testnet"):
        open_exchange(venue, Mode.TESTNET)


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("demo"), ccxt.NotSupported("x")])
def test_a_venue_without_a_test_environment_is_refused(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, on: bool) -> None:
        raise error

    monkeypatch.setattr(ccxt.pro.okx, "set_sandbox_mode", fail)
    with pytest.raises(ModeError, match="okx: expected a sandbox environment"):
        open_exchange("okx", Mode.TESTNET)


def test_ccxts_own_venues_without_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HOSTS, "kraken", {Mode.TESTNET: frozenset({"api.kraken.com"})})
    monkeypatch.setitem(guarded._TEST_ENTRY, "kraken", "sandbox")
    with pytest.raises(ModeError, match="kraken"):
        open_exchange("kraken", Mode.TESTNET)


def test_okx_needs_its_header_for_every_request() -> None:
    async def test() -> None:
        exchange = open_exchange("okx", Mode.TESTNET)
        exchange.headers = {}
        with pytest.raises(ModeError, match="x-simulated-trading"):
            await exchange.fetch("https://www.okx.com/api/v5/account/balance")
        await exchange.close()

    asyncio.run(test())


@pytest.mark.parametrize("venue", VENUES)
def test_an_address_is_checked_again_when_it_is_used(venue: str) -> None:
    async def test() -> None:
        exchange = open_exchange(venue, Mode.TESTNET)
        live = next(iter(HOSTS[venue][Mode.LIVE] - HOSTS[venue][Mode.TESTNET]))
        for url in (f"https://{live}/x", "http://127.0.0.1/x", "https://user:pw@127.0.0.1/x"):
            with pytest.raises(ModeError):
                await exchange.fetch(url)
            with pytest.raises(ModeError):
                exchange.client(url)
        await exchange.close()

    asyncio.run(test())


def test_paper_speaks_to_this_machine_only() -> None:
    open_exchange("binanceusdm", Mode.PAPER, "http://127.0.0.1:1")
    for base in ("http://fapi.binance.com", "https://127.0.0.1.example.com", ""):
        with pytest.raises(ModeError):
            open_exchange("binanceusdm", Mode.PAPER, base)
    with pytest.raises(ModeError, match="okx"):
        open_exchange("okx", Mode.PAPER, "http://127.0.0.1:1")


def test_keys_reach_no_object_whose_addresses_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def spoiled(venue: str, mode: Mode, paper_url: str) -> Any:
        exchange = ccxt.pro.binanceusdm()
        made.append(exchange)
        check_addresses(venue, mode, exchange.urls["api"])
        return exchange

    monkeypatch.setattr(ccxt_venue, "open_exchange", spoiled)
    with pytest.raises(ModeError):
        CcxtVenue("binanceusdm", Mode.TESTNET, Credentials("key-1234", "secret-1"), lambda: 0)
    assert not made[0].apiKey and not made[0].secret


def test_live_needs_an_option_and_a_confirmation() -> None:
    good = {LIVE_VARIABLE: "live okx"}
    check_live("okx", Mode.PAPER, False, {})
    check_live("okx", Mode.TESTNET, False, {})
    check_live("okx", Mode.LIVE, True, good)
    check_live("okx", Mode.LIVE, True, {}, typed="live okx")
    for flag, environment, typed in (
        (False, good, "live okx"),
        (True, {}, None),
        (True, {LIVE_VARIABLE: "1"}, None),
        (True, {LIVE_VARIABLE: "live bybit"}, "yes"),
    ):
        with pytest.raises(ModeError, match="mode live"):
            check_live("okx", Mode.LIVE, flag, environment, typed)


def test_keys_come_from_the_environment_or_a_file_of_ones_own(tmp_path: Path) -> None:
    environment = {"TICKGATE_OKX_KEY": "k-env-1", "TICKGATE_OKX_SECRET": "s-env-1"}
    assert load_credentials("okx", environment).secret == "s-env-1"
    file = tmp_path / "keys.toml"
    file.write_text('[okx]\nkey = "k-file-1"\nsecret = "s-file-1"\npassword = "p-file-1"\n')
    file.chmod(0o600)
    assert load_credentials("okx", {}, file).password == "p-file-1"
    assert load_credentials("okx", environment, file).key == "k-env-1"
    file.chmod(0o640)
    with pytest.raises(KeyFileError, match="expected the mode 0600, was 0640"):
        load_credentials("okx", {}, file)
    with pytest.raises(KeyFileError, match="TICKGATE_BYBIT_KEY"):
        load_credentials("bybit", environment)
    file.chmod(0o600)
    file.write_text('[okx]\nkey = "k-file-1"\nsecrets = "s-file-1"\n')
    with pytest.raises(KeyFileError, match="secrets") as error:
        load_credentials("okx", {}, file)
    assert "k-file-1" not in str(error.value)


def test_no_key_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    keys = Credentials("very-secret-key", "very-secret-secret", "pass-phrase")
    assert "very" not in repr(keys) + str(keys) + f"{keys}"
    logger = logging.getLogger("redaction-test")
    logger.addFilter(Redaction(keys))
    with caplog.at_level(logging.DEBUG, "redaction-test"):
        logger.debug("%s %s", {"X-MBX-APIKEY": "very-secret-key"}, "very-secret-secret")
        try:
            raise ValueError("bad very-secret-secret and pass-phrase")
        except ValueError:
            logger.exception("failed with very-secret-key")
    assert "[redacted]" in caplog.text
    for secret in ("very-secret", "pass-phrase"):
        assert secret not in caplog.text


def test_what_ccxt_logs_has_no_keys(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        logger = logging.getLogger("ccxt-test")
        keys = Credentials("very-secret-key", "very-secret-secret")
        venue = CcxtVenue(
            "binanceusdm", Mode.PAPER, keys, lambda: 0, "http://127.0.0.1:9", logger=logger
        )
        with caplog.at_level(logging.DEBUG, "ccxt-test"), pytest.raises(Exception):  # noqa: B017
            await venue.exchange.fapiPrivateV2GetBalance()
        await venue.close()
        assert "X-MBX-APIKEY" in caplog.text
        assert "very-secret" not in caplog.text

    asyncio.run(test())
