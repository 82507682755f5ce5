# SPDX-License-Identifier: Apache-2.0
"""A trading process that is killed at random moments and started again.

The venue lives in this process and its market keeps moving. The trader is a process of its own:
it opens journal and venue, recovers, and then sends and cancels orders until SIGKILL hits it.
In the end the accounts have to agree exactly. ``python -m tests.execution.kill --kills 200``
is the long form of the test.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from host.execution.ahead import Ahead
from host.execution.journal import FINAL, Journal, State
from host.execution.orders import Orders
from host.execution.recovery import Recovery
from host.paper.server import PaperServer
from host.venues.ccxt_venue import CcxtVenue
from host.venues.hosts import Mode
from host.venues.interface import VenueFault
from host.venues.keys import Credentials
from host.venues.weights import WeightBudget
from tests.execution.drill import check_accounts
from tests.paper.market import Hand, settings

T = TypeVar("T")
SYMBOL = "BTC/USDT:USDT"
WINDOW_MS = 2000
NOT_SETTLED = 3
#: What every trader needs; imported once, before it is forked.
PRELOAD = "tests.execution.drill"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def patiently(do: Callable[[], Awaitable[T]]) -> T:
    """Do something that only asks until the venue answers, as a driver does."""
    while True:
        try:
            return await do()
        except VenueFault:
            await asyncio.sleep(0.2)


async def trade(url: str, path: Path, seed: int, stop_after: int) -> int:
    """A trader's life; returns `NOT_SETTLED` where recovery does not agree."""
    rng = random.Random(seed)
    keys = Credentials("paperkey", "papersecret")
    venue = CcxtVenue("binanceusdm", Mode.PAPER, keys, now_ms, url, recv_window_ms=WINDOW_MS)
    venue.exchange.timeout = 5000
    venue.weights = WeightBudget(1 << 30, now_ms)  # many lives share one minute here
    await patiently(venue.start)
    journal = Journal(path)
    session = journal.begin_session("binanceusdm", "paper", now_ms())
    ahead = Ahead(path.with_name("ahead.db"))
    ahead.begin(session)
    orders = Orders(venue, journal, session, now_ms, window_ms=WINDOW_MS, ahead=ahead)
    agreement = await patiently(Recovery(venue, journal, orders, [SYMBOL], now_ms, ahead).run)
    if not agreement.settled:
        print([d for d in agreement.differences if not d.resolved], file=sys.stderr)
        return NOT_SETTLED

    async def one(decision: int) -> None:
        side = rng.choice(["buy", "sell"])
        price = Decimal(rng.randrange(985, 1036)) / 10
        row = await orders.submit(decision, SYMBOL, side, Decimal(rng.randrange(1, 20)) / 10, price)
        if row.state not in FINAL and rng.random() < 0.8:
            await orders.cancel(row.request.client_id)

    # else what is left open adds up, over many lives, to the most the venue allows
    for row in orders.open():
        if rng.random() < 0.5:
            with contextlib.suppress(VenueFault):
                await orders.cancel(row.request.client_id)
    for number in range(stop_after):
        # several at a time, so that a kill meets orders in every stage
        try:
            await asyncio.gather(*(one(3 * number + k) for k in range(1, 4)))
        except VenueFault:
            await asyncio.sleep(0.05)
    journal.end_session(session, now_ms())
    journal.close()
    await ahead.wait()
    ahead.close()
    await venue.close()
    return 0


def trader(url: str, path: str, seed: int, stop_after: int) -> None:
    """Body of the trader's process."""
    sys.exit(asyncio.run(trade(url, Path(path), seed, stop_after)))


async def market(server: PaperServer, hand: Hand, rng: random.Random) -> None:
    """Keep the market moving."""
    while True:
        bid = rng.randrange(990, 1020)
        hand.depth(
            bids=[
                (f"{p / 10:.1f}", str(rng.randrange(0, 4)) if p != bid else "5")
                for p in range(990, bid + 1)
            ]
            + [(f"{p / 10:.1f}", "0") for p in range(bid + 1, 1035)],
            asks=[(f"{p / 10:.1f}", "0") for p in range(990, bid + 1)]
            + [(f"{p / 10:.1f}", str(rng.randrange(1, 4))) for p in range(bid + 1, 1035)],
        )
        server.venue.clock.advance(now_ms() * 1000)
        hand.trade(f"{bid / 10:.1f}", "0.8", sold=bool(rng.randrange(2)))
        await asyncio.sleep(0.002)


async def kill_drill(kills: int, seed: int, folder: Path) -> Counter[str]:
    """Kill the trader some times, let it recover once more, and compare the accounts.

    Returns
    -------
    Counter
        What was counted: kills, orders by state, fills, intents met by a kill.
    """
    rng, path = random.Random(seed), folder / "journal.db"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    found: Counter[str] = Counter()
    given = settings(balances={"USDT": Decimal(10**7)}, weight_limit=1_000_000)
    given = given.model_copy(update={"rebase": True})
    async with PaperServer(given) as server:
        server.venue.markets["usdm"].limiter.limits.orders.clear()
        hand = Hand(server.venue)
        moving = asyncio.ensure_future(market(server, hand, rng))
        try:
            for number in range(kills + 1):
                last = number == kills
                arguments = (server.url, str(path), seed + number, 2 if last else 1 << 30)
                process = context.Process(target=trader, args=arguments)
                process.start()
                ready = len(hand.exchange.orders)
                if not last:
                    deadline = time.monotonic() + 120
                    # half of the kills hit the start and the recovery, half the trading after it
                    if number % 2:
                        while len(hand.exchange.orders) == ready and process.is_alive():
                            assert time.monotonic() < deadline, "the trader does not trade"
                            await asyncio.sleep(0.002)
                    delay_s = rng.random() * (0.3 if number % 2 else 0.8)
                    until = time.monotonic() + delay_s
                    while time.monotonic() < until and process.is_alive():
                        await asyncio.sleep(0.001)
                    process.kill()
                while process.is_alive():
                    await asyncio.sleep(0.002)
                process.join()
                assert process.exitcode in ((0,) if last else (-9,)), process.exitcode
                found["kills"] += not last
                if path.exists():
                    journal = Journal(path)
                    unfinished = journal.unfinished()
                    found["met as intent"] += sum(r.state is State.INTENT for r in unfinished)
                    found["met as unknown"] += sum(r.state is State.UNKNOWN for r in unfinished)
                    journal.close()
        finally:
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
        await _compare(server, hand, path, found)
    return found


async def _compare(server: PaperServer, hand: Hand, path: Path, found: Counter[str]) -> None:
    journal = Journal(path)
    keys = Credentials("paperkey", "papersecret")
    venue = CcxtVenue("binanceusdm", Mode.PAPER, keys, now_ms, server.url)
    venue.weights = WeightBudget(1 << 30, now_ms)  # what the traders have used is not to stop it
    try:
        await venue.start()
        orders = Orders(venue, journal, 1, now_ms, window_ms=WINDOW_MS)
        agreement = await Recovery(venue, journal, orders, [SYMBOL], now_ms).run()
        assert agreement.settled, agreement.differences
        spec = hand.exchange.specs["BTCUSDT"]
        position = hand.market.account.position(spec).qty  # type: ignore[union-attr]
        check_accounts(journal, hand.exchange, SYMBOL, position)
        for row in journal.orders():
            found[row.state.value] += 1
        found["orders at the venue"] = len(hand.exchange.orders)
        found["fills"] = len(hand.exchange.own_fills)
    finally:
        journal.close()
        await venue.close()


def main() -> None:
    """Run the drill and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(kill_drill(given.kills, given.seed, Path(folder)))
    print(", ".join(f"{name}: {count}" for name, count in sorted(found.items())))


if __name__ == "__main__":
    main()
