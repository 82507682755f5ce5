# SPDX-License-Identifier: Apache-2.0
import asyncio
import logging
import pickle
from contextlib import asynccontextmanager

import pytest

from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.wire.api_key import ApiKey, ApiKeyError
from host.wire.control import Control, ControlKind, read_control
from host.wire.sbe_client import (
    SBE_HOSTS,
    ConnectionRefused,
    HostNotAllowed,
    Received,
    SbeClient,
    SbeClientSettings,
    StreamName,
)
from host.wire.venue import BINANCE_SBE
from tests.host.wire_frames import SYMBOL, depth_bytes, trades_bytes
from tests.host.wire_server import KEY, Clock, Server

STREAMS = ["btcusdt@depth", "btcusdt@trade"]
LOCAL = frozenset({"127.0.0.1"})
SHUTDOWN = '{"e":"serverShutdown","E":1770123456789}'


class Bench:
    """A server, a client and what it has said."""

    def __init__(self, server, client, clock):
        self.server, self.client, self.clock = server, client, clock
        self.items = aiter(client)

    async def next(self, kind=None):
        """The next item; control items before one of another kind are an error."""
        item = await asyncio.wait_for(anext(self.items), 20)
        if kind is not None:
            assert isinstance(item, Control) and item.kind is kind, item
        return item

    async def opened(self, covered=False):
        control = await self.next(ControlKind.OPENED)
        assert control.covered is covered
        return await asyncio.wait_for(self.server.sockets.get(), 20)

    async def received(self, payload):
        item = await self.next()
        assert isinstance(item, Received) and item.payload == payload, item
        return item

    async def wait_until(self, asleep):
        """Let everything run until the client sleeps for a time that suits."""
        for _ in range(2000):
            if any(map(asleep, self.clock.waiting)):
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"nobody sleeps so, but {self.clock.waiting}")


@asynccontextmanager
async def bench(answers=(), **settings):
    clock = Clock()
    async with Server() as server:
        server.answers.extend(answers)
        client = SbeClient(
            STREAMS,
            ApiKey(KEY, "test"),
            endpoint=f"ws://127.0.0.1:{server.port}",
            tag=5,
            hosts=LOCAL,
            settings=SbeClientSettings(**settings),
            clock=clock,
            jitter=lambda: 0.5,
        )
        async with client:
            yield Bench(server, client, clock)


def run(work):
    asyncio.run(asyncio.wait_for(work(), 60))


def test_binary_frames_come_untouched_with_time_and_tag():
    async def work():
        async with bench() as b:
            socket = await b.opened()
            for payload in (b"\x00", depth_bytes(), bytes(range(256)) * 300):
                await socket.send_bytes(payload)
                item = await b.received(payload)
                assert item == Received(b.clock.time_ns(), payload, 5, 1)
            await socket.send_bytes(b"")
            await socket.send_bytes(b"x")
            await b.received(b"x")
            assert b.client.counters["empty"] == 1 and b.client.counters["frames"] == 4

    run(work)


def test_the_key_goes_in_its_header_and_the_streams_in_the_address():
    async def work():
        async with bench() as b:
            await b.opened()
            (request,) = b.server.requests
            assert request.headers["X-MBX-APIKEY"] == KEY
            assert request.query["streams"] == "btcusdt@depth/btcusdt@trade"
            assert KEY not in str(request.url)

    run(work)


def test_pings_are_answered_with_their_own_bytes():
    async def work():
        async with bench() as b:
            socket = await b.opened()
            await socket.ping(b"1770123456789")
            assert await asyncio.wait_for(b.server.pongs.get(), 20) == b"1770123456789"

    run(work)


def test_text_is_told_apart():
    async def work():
        async with bench() as b:
            socket = await b.opened()
            for text, kind in (
                ('{"result":null,"id":1}', ControlKind.ANSWER),
                ('{"error":{"code":2,"msg":"Invalid"},"id":1}', ControlKind.ERROR),
                ("hello", ControlKind.OTHER),
            ):
                await socket.send_str(text)
                assert (await b.next(kind)).detail == text

    run(work)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (SHUTDOWN, ControlKind.SHUTDOWN),
        (f'{{"event":{SHUTDOWN}}}', ControlKind.SHUTDOWN),
        (f'{{"stream":"x","data":{SHUTDOWN}}}', ControlKind.SHUTDOWN),
        ('{"code":-1121,"msg":"Invalid symbol."}', ControlKind.ERROR),
        ('{"result":["a"],"id":"b"}', ControlKind.ANSWER),
        ("[1]", ControlKind.OTHER),
        ("7", ControlKind.OTHER),
        ("{", ControlKind.OTHER),
        ("", ControlKind.OTHER),
    ],
)
def test_any_text_is_of_some_kind(text, kind):
    assert read_control(text) == (kind, text)


def test_a_long_text_is_cut():
    assert len(read_control('"' + "x" * 10_000 + '"')[1]) == 200


async def changes_over(b, old, why):
    """The client opens a second connection; both deliver, then the first is closed."""
    await old.send_bytes(b"1")
    await b.received(b"1")
    await why(old)
    new = await b.opened(covered=True)
    await old.send_bytes(b"2")
    assert (await b.received(b"2")).generation == 1
    await new.send_bytes(b"2")
    assert (await b.received(b"2")).generation == 2
    # the old one is still read while both overlap
    await b.wait_until(lambda left: left == 10.0)
    await old.send_bytes(b"3")
    assert (await b.received(b"3")).generation == 1
    await b.clock.move(10.0)
    closed = await b.next(ControlKind.CLOSED)
    assert (closed.generation, closed.covered) == (1, True)
    await new.send_bytes(b"4")
    assert (await b.received(b"4")).generation == 2
    assert b.client.counters["uncovered"] == 0


def test_before_its_end_a_connection_is_replaced_while_it_still_delivers():
    async def work():
        async with bench(renew_after_s=50.0) as b:

            async def age(_):
                await b.wait_until(lambda left: left == 50.0)
                await b.clock.move(50.0)

            await changes_over(b, await b.opened(), age)

    run(work)


def test_a_server_that_goes_away_is_left_while_it_still_delivers():
    async def work():
        async with bench() as b:

            async def goes(socket):
                await b.clock.move(20.0)
                await socket.send_str(SHUTDOWN)
                await b.next(ControlKind.SHUTDOWN)

            await changes_over(b, await b.opened(), goes)

    run(work)


def test_a_connection_that_falls_silent_is_replaced():
    async def work():
        async with bench(silence_s=60.0) as b:
            socket = await b.opened()
            await socket.send_bytes(b"1")
            await b.received(b"1")
            await b.wait_until(lambda left: left == 60.0)
            await b.clock.move(30.0)
            await socket.ping(b"x")
            await asyncio.wait_for(b.server.pongs.get(), 20)
            await b.clock.move(30.0)
            await b.wait_until(lambda left: left == 30.0)
            assert b.client.counters["silent"] == 0
            await b.clock.move(30.0)
            await b.opened(covered=True)
            assert b.client.counters["silent"] == 1

    run(work)


def test_after_an_end_it_is_opened_again_at_once_if_it_had_been_steady():
    async def work():
        async with bench() as b:
            socket = await b.opened()
            await socket.send_bytes(b"1")
            await b.received(b"1")
            await b.clock.move(11.0)
            await socket.close()
            closed = await b.next(ControlKind.CLOSED)
            assert not closed.covered and closed.detail == "code 1000"
            await b.opened()
            assert b.client.counters["uncovered"] == 1

    run(work)


def test_a_connection_that_ends_at_once_is_tried_again_after_longer_and_longer_waits():
    async def work():
        async with bench(longest_wait_s=5.0) as b:
            waits = []
            for _ in range(5):
                socket = await b.opened()
                await socket.close()
                await b.next(ControlKind.CLOSED)
                await b.wait_until(lambda left: left <= 5.0)
                waits.append(b.clock.waiting[0])
                await b.clock.move(5.0)
            # three quarters: half of each wait, and as much again times 0.5
            assert waits == [0.75, 1.5, 3.0, 3.75, 3.75]

    run(work)


def test_a_server_that_fails_is_tried_again():
    async def work():
        async with bench([503, 429]) as b:
            for said in ("status 503", "status 429"):
                failed = await b.next(ControlKind.FAILED)
                assert failed.detail == said and not failed.covered
                await b.wait_until(lambda left: left <= 60.0)
                await b.clock.move(60.0)
            await b.opened()
            assert b.client.counters["failed"] == 2

    run(work)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_final(status, caplog):
    async def work():
        async with bench([status]) as b:
            with pytest.raises(ConnectionRefused, match=f"127.0.0.1: .* status {status}") as error:
                await b.next()
            assert KEY not in repr(error.value) and error.value.__cause__ is None
            assert KEY not in repr(error.value.__context__)

    caplog.set_level(logging.DEBUG)
    run(work)
    assert KEY not in caplog.text


def test_the_key_is_not_carried_to_where_a_redirect_leads():
    async def work():
        async with Server() as other, bench([f"http://127.0.0.1:{other.port}/elsewhere"]) as b:
            with pytest.raises(ConnectionRefused, match="was sent elsewhere") as error:
                await b.next()
            assert KEY not in repr(error.value.__context__)
            assert not other.requests and len(b.server.requests) == 1

    run(work)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("wss://stream.binance.com:9443", "was stream.binance.com"),
        ("wss://stream-sbe.binance.com.example.org", "expected a host"),
        ("wss://key@stream-sbe.binance.com", "expected a host"),
        ("ws://stream-sbe.binance.com:9443", "expected wss, was ws"),
        ("https://stream-sbe.binance.com", "expected wss, was https"),
        ("stream-sbe.binance.com", "expected a host"),
        ("wss://[", "endpoint: expected"),
        ("ws://127.0.0.1:80", "expected a host"),
    ],
)
def test_only_the_venues_hosts_are_allowed(endpoint, said):
    with pytest.raises(HostNotAllowed, match=said):
        SbeClient(STREAMS, ApiKey(KEY, "test"), endpoint=endpoint)
    assert all(host.startswith("stream-sbe.") for host in SBE_HOSTS)


@pytest.mark.parametrize(
    "streams",
    [[], ["btcusdt@depth"] * 1025, ["BTCUSDT@depth"], ["btcusdt@kline"], ["a@depth/b@depth"]],
)
def test_streams_have_the_venues_names(streams):
    with pytest.raises(StreamName, match="expected"):
        SbeClient(streams, ApiKey(KEY, "test"))


def test_what_comes_twice_at_a_change_is_taken_once():
    """The session that uses the frames tells by their ids."""
    prices = [(1_000_000_000, 1_000_000 * n) for n in range(1, 9)]
    frames = [
        depth_bytes((prices[n],), (), first=10 + n, last=10 + n, time_us=1000 + n) for n in range(8)
    ]
    trades = [trades_bytes([(n, *prices[n], 1)], transact=1000 + n) for n in range(8)]
    session = FeedSession(
        [Instrument(SYMBOL, 5)], FeedSettings(), venue=BINANCE_SBE, keep_refusals=99
    )
    session.feed_payload('{"lastUpdateId":9,"bids":[["9.9","0.01"]],"asks":[["11.0","0.01"]]}')

    async def work():
        async with bench() as b:

            async def send(socket, places):
                for n in places:
                    for payload in (frames[n], trades[n]):
                        await socket.send_bytes(payload)
                        item = await b.received(payload)
                        session.feed_payload(item.payload, connection=str(item.tag))

            old = await b.opened()
            await send(old, range(3))
            await b.clock.move(20.0)
            await old.send_str(SHUTDOWN)
            await b.next(ControlKind.SHUTDOWN)
            new = await b.opened(covered=True)
            await send(old, [3])
            await send(new, [3, 4])
            await send(old, [4, 5])
            await send(new, [5, 6, 7])

    run(work)
    assert session.counters["events"] == 8 and session.counters["trades"] == 8
    assert session.counters["events_repeated"] == session.counters["trades_repeated"] == 3
    assert session.counters["gap"] == 0 and not session.refusals
    assert session.feeds[SYMBOL].book.last_id == 17


def test_a_key_comes_from_the_environment_or_a_file_of_ours_alone(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    assert ApiKey.load({"TICKGATE_SBE_KEY": KEY}).reveal() == KEY
    assert ApiKey.load({"TICKGATE_SBE_KEY_FILE": str(path)}).reveal() == KEY
    for mode in (0o640, 0o604, 0o660, 0o700):
        path.chmod(mode)
        with pytest.raises(ApiKeyError, match=f"expected mode 0600 or 0400, was 0{mode:o}"):
            ApiKey.read(path)
    with pytest.raises(ApiKeyError, match="nowhere: expected a readable file"):
        ApiKey.read(tmp_path / "nowhere")
    with pytest.raises(ApiKeyError, match="expected a"):
        ApiKey.read(tmp_path)
    with pytest.raises(ApiKeyError, match="was none"):
        ApiKey.load({})
    with pytest.raises(ApiKeyError, match="was both"):
        ApiKey.load({"TICKGATE_SBE_KEY": KEY, "TICKGATE_SBE_KEY_FILE": str(path)})


@pytest.mark.parametrize(
    "value",
    ["", " ", "a b", "a\nX-Other: b", "é", "x" * 513, "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ"],
)
def test_what_is_no_key_is_refused_without_being_shown(value):
    with pytest.raises(ApiKeyError, match="test: expected") as error:
        ApiKey(value, "test")
    assert "MC4" not in str(error.value) and "X-Other" not in str(error.value)


def test_a_key_does_not_show():
    key = ApiKey(KEY, "test")
    assert KEY not in f"{key} {key!r} {[key]}"
    with pytest.raises(TypeError):
        pickle.dumps(key)
