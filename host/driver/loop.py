# SPDX-License-Identifier: Apache-2.0
"""The loop: frames to the fabric, its orders to the venue, their ends back to the fabric.

A frame is turned into records and sent over the link at once, behind the records that have come
for the fabric since the last one. An order the fabric lets through is written to the journal and
handed to the venue before the next frame is looked at; its answer is waited for in a task of its
own. How many may be under way is bounded: one more is given back to the fabric as rejected,
and counted.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    ALERT_DTYPE,
    REFILL_REQUEST_DTYPE,
    VIEW_DTYPE,
    OutKind,
    ViewFlag,
)
from host.driver.bridge import Bridge, Wanted
from host.driver.parts import Parts
from host.execution.journal import JournalError
from host.execution.orders import Orders
from host.feeds.messages import BookTicker, DepthUpdate
from host.feeds.session import FeedSession
from host.links.base import LinkError
from host.venues.interface import VenueFault

__all__ = ["Driver", "Passage", "Top", "Transfer"]

_DECISION, _REFILL = int(OutKind.DECISION), int(OutKind.REFILL_REQUEST)
_VIEW, _ALERT = int(OutKind.VIEW), int(OutKind.ALERT)
_FIELDS: Any = VIEW_DTYPE.fields
#: Best bid and ask stand side by side in a view.
_BEST = struct.Struct("<II")
_BEST_AT = int(_FIELDS["bid_price_ticks"][1])
#: Times that records which must arrive are sent over a link that loses some.
_ATTEMPTS = 3
_BBO_VALID = int(ViewFlag.BBO_VALID)


class Transfer(Protocol):
    """The part of a link that the loop needs; see `host.links.base.Link`."""

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers."""


class Top(NamedTuple):
    """Best bid and ask of a symbol as the fabric had them last."""

    bid_ticks: int
    ask_ticks: int

    @property
    def mid2_ticks(self) -> int:
        """Twice the mid."""
        return self.bid_ticks + self.ask_ticks


class Passage(NamedTuple):
    """When a frame that led to an order passed, nanoseconds of one clock.

    Attributes
    ----------
    received_ns : int
        The frame was there.
    fed_ns, linked_ns : int
        Its records were made; the fabric had answered.
    sent_ns : int
        The order had been handed to the venue's connection.
    """

    received_ns: int
    fed_ns: int
    linked_ns: int
    sent_ns: int


class Driver:
    """One session of trading.

    Parameters
    ----------
    link : Transfer
        The board, configured and reset.
    feed : FeedSession
        Frames to records.
    orders : Orders
        To the venue; its `on_change` has to be `Bridge.heard`.
    bridge : Bridge
        Decisions to orders and back.
    snapshot : callable
        Asks the venue for the depth of a symbol by its name; the answer as it came.
    now_ms : callable
        Our clock.
    most_open : int
        Orders under way at a time.
    snapshot_every_ms : int
        Time between two snapshots of a symbol; each costs the venue's weight.
    on_decision : callable, optional
        Told of each order that was handed on: the frame, the order, its passage.
    on_alert : callable, optional
        Told of each ALERT of the fabric, a row of ALERT_DTYPE.
    on_loss : callable, optional
        Told that frames were lost on the link, before what the fabric has answered is acted on: a
        report or a decision may be among them.

    Attributes
    ----------
    counters : Counter
        decisions, orders, refused_full, refused_venue, divided, parts, snapshots,
        snapshots_failed, alerts, conflated, link_losses.
    tops : dict
        `Top` by symbol number.
    parts : Parts or None
        Sends what is too large for one order; None: every decision is one order.
    link_lost : str
        Why the board does not answer any more, empty while it does.
    """

    def __init__(
        self,
        link: Transfer,
        feed: FeedSession,
        orders: Orders,
        bridge: Bridge,
        snapshot: Callable[[str], Awaitable[bytes]],
        now_ms: Callable[[], int],
        most_open: int = 16,
        snapshot_every_ms: int = 5000,
        on_decision: Callable[[bytes | str, Wanted, Passage], None] | None = None,
        on_alert: Callable[[Any], None] | None = None,
        on_loss: Callable[[], None] | None = None,
    ) -> None:
        self._link = link
        self._feed = feed
        self._orders = orders
        self._bridge = bridge
        self._snapshot = snapshot
        self._most_open = most_open
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sending = 0
        self._now_ms = now_ms
        self._snapshot_every_ms = snapshot_every_ms
        self._asked_ms: dict[str, int] = {}
        self._on_decision = on_decision
        self._on_alert = on_alert
        self._on_loss = on_loss
        self._lost_frames = _lost_frames(link)
        self._frame: bytes | str = b""
        self._received_ns = 0
        self.counters: Counter[str] = Counter()
        self.tops: dict[int, Top] = {}
        self.parts: Parts | None = None
        self.link_lost = ""
        self._failure: Exception | None = None

    async def run(self, frames: AsyncIterator[bytes]) -> None:
        """Take frames until they end, then wait for what is under way.

        Raises
        ------
        LinkError
            The board does not answer; orders are halted.
        """
        try:
            async for frame in frames:
                self.on_frame(frame)
        finally:
            self._orders.halt("the feed has ended")
            await self.settle()

    async def settle(self) -> None:
        """Wait for all orders under way, and give the fabric the last reports."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.flush()

    async def settled(self, seconds: float) -> None:
        """Wait for orders under way, for some time at most, and send what they left."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        if not self.link_lost:
            self.flush()

    @property
    def frame(self) -> bytes | str:
        """The newest frame, empty before the first."""
        return self._frame

    @property
    def under_way(self) -> int:
        """Orders that wait for their answer."""
        return self._sending

    def on_frame(self, payload: bytes | str, received_ns: int = 0, connection: str = "") -> None:
        """Take a frame of the feed.

        Parameters
        ----------
        payload : bytes or str
            The frame.
        received_ns : int
            When it was there, of `time.perf_counter_ns`; 0: now.
        connection : str
            Tells connections apart.
        """
        self._received_ns = received_ns or time.perf_counter_ns()
        self._frame = payload
        self._feed.feed_payload(payload, "", connection)
        self.flush()
        if self._feed.needs_snapshot:  # behind what hurries
            self._ask_snapshots()

    def on_frames(self, payloads: Sequence[bytes | str]) -> None:
        """Take frames that have waited too long: depth events of a symbol become one.

        What the merged event says is what the last of them says of each level, so the book after
        it is the same; the books in between are not seen. All else is taken as it comes, of tickers
        the last.
        """
        self._received_ns = time.perf_counter_ns()
        self._frame = payloads[-1]
        waiting: dict[str, DepthUpdate | BookTicker] = {}
        for payload in payloads:
            for message in self._feed.parse(payload):
                if not isinstance(message, (DepthUpdate, BookTicker)):
                    self._feed.accept(message)
                    continue
                kind = f"{type(message).__name__} {message.symbol}"
                before = waiting.get(kind)
                if isinstance(message, DepthUpdate) and isinstance(before, DepthUpdate):
                    if _follows(before, message):
                        message = _merged(before, message)
                        self.counters["conflated"] += 1
                    else:
                        self._feed.accept(before)
                waiting[kind] = message
        for message in waiting.values():
            self._feed.accept(message)
        if self._feed.needs_snapshot:
            self._ask_snapshots()
        self.flush()

    def end_parts(self) -> None:
        """Send no more parts of what is under way."""
        if self.parts is not None:
            self.parts.end()

    def flush(self) -> None:
        """Send what waits for the fabric, and act on what it answers.

        Raises
        ------
        LinkError
            The board does not answer, now or when an order's end was told; orders are halted.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self.link_lost:
            return
        records = self._feed.take()
        if len(self._bridge):
            records = np.concatenate([self._bridge.take(), records])
        if not len(records):
            return
        fed_ns = time.perf_counter_ns()
        try:
            out = self._link.transfer(records)
            self._look_for_losses()
        except Exception as error:
            self.link_lost = f"{type(error).__name__}: {error}"
            self._orders.halt("the link is lost")
            raise
        linked_ns = time.perf_counter_ns()
        for feed in self._feed.feeds.values():
            del feed.event_times[:]
        if len(out):
            self._answers(out, fed_ns, linked_ns)

    def surely(self, put: Callable[[], None]) -> None:
        """Queue records by `put` and send them, again if anything was lost on the way.

        Only for what may be said twice.

        Raises
        ------
        LinkError
            The board does not answer, or something is lost each time.
        """
        for _ in range(_ATTEMPTS):
            before = self.counters["link_losses"]
            put()
            self.flush()
            if self.counters["link_losses"] == before:
                return
        raise LinkError(f"link: expected records to arrive, was a loss {_ATTEMPTS} times")

    # inside

    def _look_for_losses(self) -> None:
        lost = _lost_frames(self._link)
        if lost != self._lost_frames:
            self._lost_frames = lost
            self.counters["link_losses"] += 1
            if self._on_loss is not None:
                self._on_loss()

    def _answers(self, out: npt.NDArray[np.uint8], fed_ns: int, linked_ns: int) -> None:
        kinds = out[:, 0].tolist()
        if _DECISION in kinds:
            for wanted in self._bridge.wanted(out):
                self._order(wanted, fed_ns, linked_ns)
        for at, kind in enumerate(kinds):
            if kind == _VIEW:
                row = out[at].tobytes()
                if row[1] & _BBO_VALID:
                    self.tops[row[2]] = Top(*_BEST.unpack_from(row, _BEST_AT))
            elif kind == _REFILL:
                request = out[at : at + 1].view(REFILL_REQUEST_DTYPE).reshape(-1)[0]
                self._feed.on_refill_request(int(request["symbol"]), int(request["flags"]))
            elif kind == _ALERT:
                self.counters["alerts"] += 1
                if self._on_alert is not None:
                    self._on_alert(out[at : at + 1].view(ALERT_DTYPE).reshape(-1)[0])

    def _order(self, wanted: Wanted, fed_ns: int, linked_ns: int) -> None:
        self.counters["decisions"] += 1
        if self._sending >= self._most_open or self._orders.halted:
            self.counters["refused_full"] += 1
            self._bridge.unsent(wanted)
            return
        if self.parts is not None and self.parts.divides(wanted):
            body = self._in_parts(self.parts, wanted)
        else:
            try:
                answer = self._orders.start(
                    wanted.decision,
                    wanted.symbol,
                    wanted.side,
                    wanted.qty,
                    wanted.price,
                    tif=wanted.tif,
                    reduce_only=wanted.reduce_only,
                )
            except (VenueFault, JournalError):
                # halted before anything was sent, or the journal failed, which halts
                self._unsent(wanted)
                return
            body = self._counted(answer, wanted)
        self._sending += 1
        self._start(body)
        if self._on_decision is not None:
            sent_ns = time.perf_counter_ns()
            passage = Passage(self._received_ns, fed_ns, linked_ns, sent_ns)
            self._on_decision(self._frame, wanted, passage)

    async def _counted(self, answer: Awaitable[Any], wanted: Wanted) -> None:
        try:
            await answer
            self.counters["orders"] += 1
        except (VenueFault, JournalError):
            self._unsent(wanted)
        finally:
            self._sending -= 1
            self._tell()

    async def _in_parts(self, parts: Parts, wanted: Wanted) -> None:
        try:
            await parts.send(wanted)
            self.counters["orders"] += 1
        except (VenueFault, JournalError):
            self.counters["refused_venue"] += 1
        finally:
            self._sending -= 1
            self._tell()

    def _tell(self) -> None:
        """Tell the fabric what became of an order at once, not on the way of the next one.

        Nobody waits for a task of an order, so whoever sends next hears of a failure.
        """
        if len(self._bridge) and not self.link_lost:
            try:
                self.flush()
            except Exception as error:
                self._failure = error

    def _unsent(self, wanted: Wanted) -> None:
        self.counters["refused_venue"] += 1
        try:
            known = self._orders.row_of(wanted.decision)
        except JournalError:
            return  # nobody knows: what recovery finds is stated to the fabric
        if known is None:
            self._bridge.unsent(wanted)

    def _ask_snapshots(self) -> None:
        for name in self._feed.needs_snapshot:
            now_ms, asked_ms = self._now_ms(), self._asked_ms.get(name)
            # A clock that was set back says nothing about how long ago it was.
            if asked_ms is None or not 0 <= now_ms - asked_ms < self._snapshot_every_ms:
                self._asked_ms[name] = now_ms
                self._start(self._ask_snapshot(name))

    async def _ask_snapshot(self, name: str) -> None:
        try:
            payload = await self._snapshot(name)
        except (VenueFault, OSError):
            self.counters["snapshots_failed"] += 1
            return
        # its address says whose it is where the payload does not
        self._feed.feed_payload(_with_symbol(payload, name))
        self.counters["snapshots"] += 1

    def _start(self, body: Any) -> None:
        task = asyncio.get_running_loop().create_task(body)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _lost_frames(link: Transfer) -> int:
    return int(getattr(link, "lost_frames", 0))


def _with_symbol(payload: bytes, name: str) -> bytes:
    """A snapshot with the name of its symbol, which Binance leaves out."""
    if payload.startswith(b"{") and b'"symbol"' not in payload[:200]:
        return b'{"symbol":"' + name.encode() + b'",' + payload[1:]
    return payload


def _follows(before: DepthUpdate, after: DepthUpdate) -> bool:
    if after.prev_id is not None:
        return after.prev_id == before.last_id
    return after.first_id == before.last_id + 1


def _merged(before: DepthUpdate, after: DepthUpdate) -> DepthUpdate:
    bids = {price: qty for price, qty in before.bids}
    asks = {price: qty for price, qty in before.asks}
    bids.update((price, qty) for price, qty in after.bids)
    asks.update((price, qty) for price, qty in after.asks)
    return after._replace(
        first_id=before.first_id,
        prev_id=before.prev_id,
        bids=[[price, qty] for price, qty in bids.items()],
        asks=[[price, qty] for price, qty in asks.items()],
        frame=None,  # no frame says it
    )
