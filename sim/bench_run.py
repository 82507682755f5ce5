# SPDX-License-Identifier: Apache-2.0
"""From the last byte of a frame to the first byte of its order: this driver beside a plain bot.

``python -m sim.bench_run`` plays a capture from the paper exchange, in a process of its own,
first to this driver and then, started anew, to a bot written with ccxt.pro as its examples are.
The market is moved one event at a time, so that no frame waits for the one before it.
Both follow the same rule (sums of the first N levels, a ratio) and send limit orders, immediate
or cancel. Times are taken at the sockets of either process by the same code (`sim.stamps`): when
the read returned that held the last byte of a depth event, and when the write began that held the
first byte of the order it led to. The journal is on the disk in both figures of the driver. With
the link excluded, all time in which the simulated board was at work between the two is left out,
for this frame or for the one before it.

The driver goes the way of an order while nothing happens, as `tickgate run` does by default
(`host.driver.rehearsal`). It is measured twice: with an event loop that never sleeps
(`feed.spin = true`), and with one that does, the default.

Beside them: level updates a second of normaliser and link on one core.

It ends with status 1 if the driver that spins, without its simulated board, is not `LEAST_RATIO`
times as fast as the bot at the median, 2 when it cannot measure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro
import numpy as np
from rich.console import Console
from rich.table import Table

from host.driver.bridge import Bridge, Market, Wanted
from host.driver.loop import Driver, Passage
from host.driver.market import Arrived, MarketStream
from host.driver.rehearsal import Rehearsal, spin
from host.execution.ahead import Ahead
from host.execution.journal import Journal
from host.execution.names import client_id
from host.execution.orders import Orders
from host.feeds.capture import CaptureReader, Frame
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.links import open_link
from host.memory import collect_seldom
from host.settings import ReplaySettings
from host.venues.ccxt_venue import CcxtVenue
from host.venues.guarded import point_at
from host.venues.hosts import Mode
from host.venues.keys import Credentials
from sim.stamps import Moment, StampedLoop, frame_moments, now, order_moments

__all__ = ["LEAST_RATIO", "latencies", "linked_ns", "main", "throughput"]

#: How many times as fast as the bot the driver has to be at the median, its board left out.
LEAST_RATIO = 3.0
#: Level updates a second that normaliser and link have to keep up with.
LEAST_LEVELS_PER_S = 240_000

_ROOT = Path(__file__).resolve().parent.parent
_SLICE = _ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
_OUTPUT = _ROOT / "build" / "bench_run.json"
_SYMBOL, _NAME = "BTC/USDT:USDT", "BTCUSDT"
_TICK, _LOT, _QTY = Decimal("0.1"), Decimal("0.001"), Decimal("0.002")
_LEVELS, _RATIO, _RATE = 10, Decimal("1.2"), 20
_KEYS = Credentials("paperkey", "papersecret")
_WINDOW_MS = 60_000
_SHARES = (50.0, 99.0, 99.9)
#: The market moves by so many events at a time, and waits for what follows from them: with more
#: than one, a frame would wait for the one before it.
_EVENTS_A_STEP = 1
#: So many before anyone listens.
_FIRST_STEPS = 280
#: Looks, one after the other, at which the exchange has to be at rest.
_LOOKS, _LOOK_S = 5, 0.003
#: Pause between two rehearsals of the driver; as `tickgate run` has it by default.
_REHEARSE_S = 0.002
_SETTINGS = """\
stepped = true
rebase = false
control = true
[usdm]
captures = ["{capture}"]
weight_limit = 1000000
[usdm.balances]
USDT = 1000000000
"""


#: The clients.
_SPINS, _SLEEPS, _BOT = "tickgate, spin", "tickgate", "ccxt.pro bot"
#: What a client says once it waits for an address.
_READY = "ready\n"


class BenchError(RuntimeError):
    """Something could not be measured."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _play(url: str, steps: int, pause_s: float, server: int) -> None:
    """Move the market step by step, each when the exchange has been at rest for a while.

    A client's event loop may spin: nobody sees from outside that it is at rest.

    A market that runs at its own pace would measure, on a machine that is busy with other things,
    how long frames wait for each other.
    """
    async with aiohttp.ClientSession() as http:
        for _ in range(steps):
            asked = {"events": _EVENTS_A_STEP}
            async with http.post(f"{url}/paper/v1/step", json=asked) as answer:
                if not (await answer.json())["events"]:
                    return
            await asyncio.sleep(pause_s)
            rest = 0
            while rest < _LOOKS:
                rest = rest + 1 if _sleeps(server) else 0
                await asyncio.sleep(_LOOK_S)


def _sleeps(process: int) -> bool:
    """Whether a process waits for something to happen; where nobody says so, it is taken for so."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("ascii")
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] == "S"


async def _told() -> None:
    """Wait for a line on our standard input: the market has been played."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)


class _Timed:
    """A link that notes when it was at work, on both clocks of the stamps."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self.spans: list[tuple[Moment, Moment]] = []

    def transfer(self, records: Any) -> Any:
        began = now()
        try:
            return self._link.transfer(records)
        finally:
            self.spans.append((began, now()))


def linked_ns(spans: Sequence[tuple[int, int]], began: int, ended: int) -> int:
    """How long between two moments the link was at work, for whichever frame, nanoseconds."""
    return sum(max(0, min(end, ended) - max(start, began)) for start, end in spans)


async def _ours(url: str, folder: Path, *, spins: bool) -> dict[str, Any]:
    """The driver's life."""
    collect_seldom()
    link = open_link("sim")
    venue = CcxtVenue(
        "binanceusdm", Mode.PAPER, _KEYS, _now_ms, url, recv_window_ms=_WINDOW_MS, lean=True
    )
    await venue.start()
    journal, ahead = Journal(folder / "journal.db"), Ahead(folder / "ahead.db")
    session = journal.begin_session("binanceusdm", "paper", _now_ms())
    ahead.begin(session)
    bridge = Bridge({0: Market(_SYMBOL, _TICK, _LOT)}, session)
    orders = Orders(venue, journal, session, _now_ms, on_change=bridge.heard, ahead=ahead)
    feed = FeedSession([Instrument(_NAME, 0, _TICK, _LOT)], FeedSettings())
    settings = ReplaySettings(
        levels=_LEVELS,
        ratio=_RATIO,
        order_qty=_QTY,
        max_position=Decimal(100_000),
        collar_ticks=100_000,
        rate=Decimal(_RATE),
        burst=_RATE,
        stale_ms=60_000,
    )
    scales = feed.feeds[_NAME]
    assert scales.price_scale is not None and scales.qty_scale is not None
    link.write("order_qty", settings.order_lots(scales.qty_scale))
    for write in [
        *settings.writes(),
        *settings.symbol_writes(0, scales.price_scale, scales.qty_scale),
    ]:
        link.write(*write)
    told: dict[str, int] = {}

    def on_decision(_frame: bytes | str, wanted: Wanted, _passage: Passage) -> None:
        told[client_id(journal.instance, session, wanted.decision)] = wanted.update_id

    board = _Timed(link)
    driver = Driver(board, feed, orders, bridge, venue.depth, _now_ms, 64, on_decision=on_decision)
    streams = [f"{_NAME.lower()}@depth@0ms"]
    lost: list[str] = []
    async with MarketStream(venue.stream_url(streams), lost.append, 86_400.0) as market:
        while not market.counters["connections"]:
            await asyncio.sleep(0.01)
        print(_READY, end="", flush=True)

        def frame(arrived: Arrived) -> None:
            driver.on_frame(arrived.payload, arrived.received_ns)

        async def frames() -> None:
            market.handler = frame
            while True:
                waiting = await market.take()
                frame(waiting.popleft())
                if waiting:
                    await asyncio.sleep(0)

        rehearsal = Rehearsal(
            lambda: driver.frame,
            lambda: bool(market.waiting),
            [Instrument(_NAME, 0, _TICK, _LOT)],
            FeedSettings(),
            feed.feeds,
            {0: Market(_SYMBOL, _TICK, _LOT)},
            orders,
            venue.rehearse,
        )
        taking = asyncio.ensure_future(frames())
        playing = asyncio.ensure_future(_told())
        warming = asyncio.ensure_future(rehearsal.run(_REHEARSE_S))
        beside = [warming, asyncio.ensure_future(spin())] if spins else [warming]
        await asyncio.wait([taking, playing, *beside], return_when=asyncio.FIRST_COMPLETED)
        for task in (taking, playing, *beside):
            task.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        for task in beside:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(asyncio.CancelledError):
            await taking  # what stopped it is not hidden
        await driver.settle()
    states = Counter(row.state.value for row in journal.orders())
    await ahead.wait()
    journal.close()
    ahead.close()
    await venue.close()
    link.close()
    wall = [(began.wall_ns, ended.wall_ns) for began, ended in board.spans]
    cpu = [(began.cpu_ns, ended.cpu_ns) for began, ended in board.spans]
    return {"told": told, "orders": dict(states), "lost": lost, "linked": (wall, cpu)}


async def _bot(url: str, folder: Path) -> dict[str, Any]:
    """A plain bot: watch the book, sum levels, place an order."""
    collect_seldom()
    exchange = ccxt.pro.binanceusdm(
        {
            "apiKey": _KEYS.key,
            "secret": _KEYS.secret,
            "enableRateLimit": False,  # its queue is no latency
            "options": {
                "recvWindow": _WINDOW_MS,
                "fetchCurrencies": False,
                "fetchMargins": False,
                "fetchMarkets": {"types": ["linear"]},
                "watchOrderBookRate": "0",
                "watchOrderBookForSymbols": {"watchOrderBookRate": "0"},
            },
        }
    )
    point_at(exchange, "binanceusdm", url)
    await exchange.load_markets()
    told: dict[str, int] = {}
    tasks: set[asyncio.Task[Any]] = set()
    earliest_ms = 0.0
    refused: Counter[str] = Counter()

    async def order(name: str, side: str, price: float) -> None:
        try:
            await exchange.create_order(
                _SYMBOL,
                "limit",
                side,
                float(_QTY),
                price,
                {"clientOrderId": name, "timeInForce": "IOC"},
            )
        except ccxt.BaseError as error:
            refused[type(error).__name__] += 1

    async def trade() -> None:
        nonlocal earliest_ms
        last = 0
        while True:
            try:
                book = await exchange.watch_order_book(_SYMBOL)
            except ccxt.BaseError as error:
                refused[type(error).__name__] += 1
                await asyncio.sleep(0.1)
                continue
            nonce, now_ms = book["nonce"], book["timestamp"] or 0
            bids = sum(level[1] for level in book["bids"][:_LEVELS])
            asks = sum(level[1] for level in book["asks"][:_LEVELS])
            buy, sell = bids >= asks * float(_RATIO), asks >= bids * float(_RATIO)
            if buy == sell or nonce == last or now_ms < earliest_ms:
                continue
            last, earliest_ms = nonce, now_ms + 1000 / _RATE
            name = f"bot-{nonce}"
            told[name] = nonce
            price = book["asks" if buy else "bids"][0][0]
            task = asyncio.ensure_future(order(name, "buy" if buy else "sell", price))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    trading = asyncio.ensure_future(trade())
    while not exchange.clients:
        await asyncio.sleep(0.01)
    print(_READY, end="", flush=True)
    playing = asyncio.ensure_future(_told())
    await asyncio.wait([trading, playing], return_when=asyncio.FIRST_COMPLETED)
    for task in (trading, playing):
        task.cancel()
    await asyncio.gather(playing, *tasks, return_exceptions=True)
    with contextlib.suppress(asyncio.CancelledError):
        await trading
    await exchange.close()
    return {"told": told, "orders": dict(refused), "lost": [], "linked": ([], [])}


def _client(kind: str, out: Path) -> None:
    """Body of a client's process: wait for an address, trade, then write the times."""
    print(_READY, end="", flush=True)
    url = sys.stdin.readline().strip()
    loop = StampedLoop()
    asyncio.set_event_loop(loop)
    body = _bot if kind == _BOT else partial(_ours, spins=kind == _SPINS)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        found = loop.run_until_complete(body(url, Path(folder)))
    frames, orders = frame_moments(loop.sockets), order_moments(loop.sockets)
    rows = []
    for name, update_id in found["told"].items():
        frame, order = frames.get(update_id), orders.get(name)
        if frame is not None and order is not None:
            rows.append(
                (
                    order.wall_ns - frame.wall_ns,
                    order.cpu_ns - frame.cpu_ns,
                    linked_ns(found["linked"][0], frame.wall_ns, order.wall_ns),
                    linked_ns(found["linked"][1], frame.cpu_ns, order.cpu_ns),
                )
            )
    out.write_text(
        json.dumps(
            {
                "rows": rows,
                "told": len(found["told"]),
                "frames": len(frames),
                "sent": len(orders),
                "orders": found["orders"],
                "lost": found["lost"],
            }
        )
    )


def latencies(found: dict[str, Any]) -> dict[str, Any]:
    """Percentiles of a client's times, microseconds.

    Parameters
    ----------
    found : dict
        What `_client` has written.

    Returns
    -------
    dict
        By "wall" and "cpu": with and without the link, p50, p99 and p99.9.

    Raises
    ------
    BenchError
        It sent no order whose frame is known.
    """
    if not found["rows"]:
        raise BenchError(f"expected orders, was {found['told']} told, {found['sent']} sent")
    rows = np.array(found["rows"], dtype=np.int64)
    wall, cpu, wall_link, cpu_link = rows.T
    return {
        "orders": len(rows),
        "frames": found["frames"],
        "wall, link included": _percentiles(wall),
        "wall, link excluded": _percentiles(wall - wall_link),
        "processor time, link included": _percentiles(cpu),
        "processor time, link excluded": _percentiles(cpu - cpu_link),
    }


def _percentiles(values: Any) -> list[float]:
    return [round(float(v) / 1000, 1) for v in np.percentile(values, _SHARES)]


def _measure(kind: str, capture: Path, steps: int, pause_s: float, folder: Path) -> Any:
    """Start a client, then an exchange for it, and wait for the client's times."""
    settings = folder / "paper.toml"
    settings.write_text(_SETTINGS.format(capture=capture))
    out = folder / "times.json"
    own = [sys.executable, "-m", "sim.bench_run", "--client", kind, str(out)]
    served = [sys.executable, "-m", "host.cli", "paper", "--config", str(settings)]
    with subprocess.Popen(
        own, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None and client.stdin is not None
        out.unlink(missing_ok=True)
        if client.stdout.readline() != _READY:
            raise BenchError(f"{kind}: expected a client that is ready, was none")
        with subprocess.Popen(served, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                line = server.stdout.readline()
                if "paper exchange at http" not in line:
                    raise BenchError(f"paper exchange: expected its address, was {line!r}")
                url = line.split(" at ", 1)[1].split(" ", 1)[0]
                # the capture's own snapshot is among the first events: nobody has a book before it
                asyncio.run(_play(url, _FIRST_STEPS, 0.0, server.pid))
                client.stdin.write(url + "\n")
                client.stdin.flush()
                if client.stdout.readline() != _READY:
                    raise BenchError(f"{kind}: expected a client that listens, was none")
                asyncio.run(_play(url, steps, pause_s, server.pid))
                client.communicate("\n")
            finally:
                server.terminate()
                client.kill()
    if client.returncode or not out.is_file():
        raise BenchError(f"{kind}: expected its times, was status {client.returncode}")
    return json.loads(out.read_text())


def throughput(captures: Sequence[Path], most_frames: int = 1 << 62) -> dict[str, float]:
    """Level updates a second of normaliser and simulated link, processor time of one core.

    Parameters
    ----------
    captures : sequence of Path
        Captures of Binance's JSON; their frames are taken in turn, as merged by time.
    most_frames : int
        Depth frames that are taken.
    """
    collect_seldom()
    frames: list[tuple[int, bytes | str]] = []
    for capture in captures:
        frames += [
            (f.recv_ns, f.payload) for f in CaptureReader([str(capture)]) if isinstance(f, Frame)
        ]
    frames.sort(key=lambda one: one[0])
    feed = FeedSession([], FeedSettings(), adopt=True)
    link = open_link("sim")
    taken = levels = link_ns = 0
    began = time.process_time_ns()
    for _, payload in frames:
        before = feed.counters["levels"]
        feed.feed_payload(payload)
        records = feed.take()
        if len(records):
            at = time.process_time_ns()
            link.transfer(records)
            link_ns += time.process_time_ns() - at
        for one in feed.feeds.values():
            del one.event_times[:]
        levels += feed.counters["levels"] - before
        taken += feed.counters["levels"] != before
        if taken >= most_frames:
            break
    spent_ns = time.process_time_ns() - began
    link.close()
    return {
        "levels": levels,
        "depth frames": taken,
        "normaliser, levels/s": levels / ((spent_ns - link_ns) / 1e9),
        "normaliser and link, levels/s": levels / (spent_ns / 1e9),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description="Latency from frame to order, and throughput.")
    parser.add_argument("--client", nargs=2, metavar=("KIND", "OUT"))
    parser.add_argument("--capture", type=Path, default=_SLICE)
    parser.add_argument("--merge", type=Path, nargs="*", default=[], help="captures for throughput")
    parser.add_argument("--steps", type=int, default=1 << 30, help="events of the market")
    parser.add_argument("--pause", type=float, default=0.005, help="seconds between two steps")
    parser.add_argument("--frames", type=int, default=1 << 62, help="depth frames for throughput")
    parser.add_argument("--output", type=Path, default=_OUTPUT)
    given = parser.parse_args(arguments)
    if given.client:
        kind, out = given.client
        _client(kind, Path(out))
        return 0
    console = Console()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        # beside the result, so that the journal is on a disk
        with tempfile.TemporaryDirectory(dir=given.output.parent) as folder:
            found = {
                kind: latencies(
                    _measure(kind, given.capture, given.steps, given.pause, Path(folder))
                )
                for kind in (_SPINS, _SLEEPS, _BOT)
            }
        flow = throughput([given.capture, *given.merge], given.frames)
    except (BenchError, OSError) as error:
        console.print(f"error: {error}", markup=False)
        return 2
    ratios = {
        kind: {
            key: round(found[_BOT][f"{key.partition(',')[0]}, link included"][0] / value[0], 2)
            for key, value in found[kind].items()
            if isinstance(value, list)
        }
        for kind in (_SPINS, _SLEEPS)
    }
    result = {"latency_us": found, "ratio of p50": ratios, "throughput": flow}
    given.output.write_text(json.dumps(result, indent=1) + "\n")
    _print(console, found, ratios, flow)
    return 0 if ratios[_SPINS]["wall, link excluded"] >= LEAST_RATIO else 1


def _print(
    console: Console,
    found: dict[str, Any],
    ratios: dict[str, dict[str, float]],
    flow: dict[str, float],
) -> None:
    table = Table(title="last byte of a frame to first byte of its order, us", title_justify="left")
    for name in ("client", "time", "orders", "p50", "p99", "p99.9", "times as fast as the bot"):
        table.add_column(name, justify="left" if name in ("client", "time") else "right")
    for kind, times in found.items():
        for key, values in times.items():
            if isinstance(values, list) and (kind != _BOT or key.endswith("included")):
                ratio = f"{ratios[kind][key]:.2f}" if kind in ratios else "1.00"
                shown = [f"{value:,.1f}" for value in values]
                time_of = key.partition(",")[0] if kind == _BOT else key
                table.add_row(kind, time_of, str(times["orders"]), *shown, ratio)
    console.print(table)
    for name, value in flow.items():
        console.print(f"{name}: {value:,.0f}", highlight=False)
    rate = flow["normaliser and link, levels/s"]
    if rate < LEAST_LEVELS_PER_S:
        console.print(
            f"normaliser and link take less than {LEAST_LEVELS_PER_S:,} levels/s here: above "
            f"{rate:,.0f} the driver merges depth events and counts them (conflated)",
            highlight=False,
        )


if __name__ == "__main__":
    sys.exit(main())
