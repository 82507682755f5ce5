# SPDX-License-Identifier: Apache-2.0
"""What a capture holds: messages, sizes, gaps, rates and delays."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from host.feeds.capture import CaptureError
from host.feeds.messages import (
    BookTicker,
    DepthUpdate,
    Message,
    Parsed,
    Refusal,
    Snapshot,
    StreamSequence,
    Trade,
    Trades,
)
from host.feeds.venue import Connected, Venue
from host.replay.source import open_captures
from host.wire.framing import BEAT_BYTES
from host.wire.sbe_encode import SbeEncodeError, SbeEncoder
from host.wire.venue import BINANCE_SBE

__all__ = ["FeedStats", "Gap", "feed_stats"]

_KINDS = {
    DepthUpdate: "depth",
    Snapshot: "snapshot",
    Trade: "trade",
    Trades: "trade",
    BookTicker: "ticker",
}
#: Gaps that are told one by one.
_MOST_GAPS = 100
_SECOND_NS, _MILLISECOND_NS = 1_000_000_000, 1_000_000


@dataclass(frozen=True)
class Gap:
    """A depth event that does not follow the one before it."""

    symbol: str
    file: str
    #: line or frame, from 1
    line: int
    last_id: int
    first_id: int


@dataclass
class _Kind:
    """Messages of one kind of one symbol."""

    messages: int = 0
    levels: int = 0
    frames: int = 0
    frame_bytes: int = 0
    sbe_frames: int = 0
    sbe_bytes: int = 0
    sbe_beats: int = 0
    not_encoded: int = 0
    delays_us: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("L"))

    def summary(self, json: bool) -> dict[str, Any]:
        """All figures; None where there is nothing to tell."""
        found: dict[str, Any] = {"messages": self.messages, "frames": self.frames}
        source = "json" if json else "sbe"
        found[f"{source}_bytes_per_frame"] = _mean(self.frame_bytes, self.frames)
        if json:
            found["sbe_bytes_per_frame"] = _mean(self.sbe_bytes, self.sbe_frames)
            found["not_encoded"] = self.not_encoded
        found["sbe_beats_per_frame"] = _mean(self.sbe_beats, self.sbe_frames)
        if self.levels or self.sizes:
            found["levels"] = self.levels
            found["levels_per_event"] = _spread(self.sizes)
        found["delay_us"] = _spread(self.delays_us)
        return found


class _Peak:
    """The most that came within any span of so many nanoseconds."""

    def __init__(self, span_ns: int) -> None:
        self.most = 0
        self._span_ns = span_ns
        self._inside: deque[tuple[int, int]] = deque()
        self._sum = 0

    def add(self, at_ns: int, count: int) -> None:
        inside = self._inside
        inside.append((at_ns, count))
        self._sum += count
        while inside[0][0] <= at_ns - self._span_ns:
            self._sum -= inside.popleft()[1]
        self.most = max(self.most, self._sum)


class _Rate:
    """How many came, in all and at most."""

    def __init__(self) -> None:
        self.total = 0
        self._second, self._millisecond = _Peak(_SECOND_NS), _Peak(_MILLISECOND_NS)

    def add(self, at_ns: int, count: int) -> None:
        self.total += count
        self._second.add(at_ns, count)
        self._millisecond.add(at_ns, count)

    def summary(self, span_ns: int) -> dict[str, Any]:
        return {
            "total": self.total,
            "mean_per_s": self.total * _SECOND_NS / span_ns if span_ns else None,
            "peak_per_s": self._second.most,
            "peak_per_ms": self._millisecond.most,
        }


class FeedStats:
    """Counts what frames hold.

    Parameters
    ----------
    venue : Venue
        Whose frames they are.
    encoder : SbeEncoder, optional
        Gives the sizes of the binary frames that would say the same as JSON ones.

    Attributes
    ----------
    error : str
        Why reading ended early; empty if it did not.
    """

    def __init__(self, venue: Venue, encoder: SbeEncoder | None = None) -> None:
        self.error = ""
        self._venue = venue
        self._json = venue.name != BINANCE_SBE.name
        if encoder is None and self._json and venue.name.startswith("BINANCE"):
            encoder = SbeEncoder()
        self._encoder = encoder
        self._symbols: dict[str, dict[str, _Kind]] = {}
        self._refused: Counter[str] = Counter()
        self._other = 0
        self._frames, self._levels = _Rate(), _Rate()
        self._first_ns: int | None = None
        self._last_ns = 0
        self._back = 0
        # by symbol: the last depth event, or the id of a snapshot of the stream
        self._followed: dict[str, tuple[int, int]] = {}
        self._numbers: dict[str, int] = {}
        self.gaps: list[Gap] = []
        self._counts: Counter[str] = Counter(gaps=0, repeated=0, stream_gaps=0)

    def add(
        self,
        recv_ns: int,
        payload: bytes | str,
        parsed: Parsed | list[Parsed],
        connection: str = "",
        file: str = "",
        line: int = 0,
    ) -> None:
        """Take a frame and what it says."""
        if self._first_ns is None:
            self._first_ns = recv_ns
        elif recv_ns < self._last_ns:
            self._back += 1
        self._last_ns = max(self._last_ns, recv_ns)
        self._frames.add(self._last_ns, 1)
        size = len(payload.encode()) if isinstance(payload, str) else len(payload)
        told = False
        for one in parsed if isinstance(parsed, list) else [parsed]:
            if isinstance(one, Refusal):
                self._refused[one.reason] += 1
                told = True
            elif isinstance(one, StreamSequence):
                last = self._numbers.get(connection)
                self._counts["stream_gaps"] += last is not None and one.number > last + 1
                self._numbers[connection] = one.number
            elif isinstance(one, Message):
                kind = self._message(one, recv_ns)
                if not told:
                    kind.frames += 1
                    kind.frame_bytes += size
                self._encoded(one, kind, size, payload)
                self._follow(one, connection, file, line)
                told = True
        self._other += not told

    def refuse(self, refusal: Refusal) -> None:
        """Take a line that is no frame."""
        self._refused[refusal.reason] += 1

    def reopened(self, connection: str) -> None:
        """A connection was opened: its frames are numbered anew."""
        self._numbers.pop(connection, None)

    def summary(self) -> dict[str, Any]:
        """All figures as plain data; times of receipt are those of the capture.

        Returns
        -------
        dict
            `delay_us` is receive time minus the exchange's time, microseconds; the two clocks may
            be apart, so it can be negative. Percentiles are values that occurred (nearest rank).
            A peak is the most that came within any second or millisecond of receive time; a
            time that goes back counts as the latest one before.
        """
        span_ns = 0 if self._first_ns is None else self._last_ns - self._first_ns
        return {
            "exchange": self._venue.name,
            "encoding": "json" if self._json else "sbe",
            "error": self.error or None,
            "frames": self._frames.total,
            "other_frames": self._other,
            "refused": dict(sorted(self._refused.items())),
            "first_recv_ns": self._first_ns,
            "last_recv_ns": self._last_ns if self._first_ns is not None else None,
            "seconds": span_ns / _SECOND_NS,
            "received_out_of_order": self._back,
            "rates": {
                "frames": self._frames.summary(span_ns),
                "levels": self._levels.summary(span_ns),
            },
            "sequence": dict(self._counts),
            "first_gaps": [vars(gap) for gap in self.gaps],
            "symbols": {
                name: {kind: one.summary(self._json) for kind, one in sorted(kinds.items())}
                for name, kinds in sorted(self._symbols.items())
            },
        }

    def _message(self, message: Message, recv_ns: int) -> _Kind:
        name = message.symbol if message.symbol is not None else self._only_name()
        kinds = self._symbols.setdefault(name, {})
        kind = kinds.setdefault(_KINDS[type(message)], _Kind())
        if isinstance(message, Trades):
            kind.messages += len(message.trades)
            times = {trade.time_us for trade in message.trades}
        else:
            kind.messages += 1
            times = set() if message.time_us is None else {message.time_us}
        if isinstance(message, (DepthUpdate, Snapshot)):
            levels = len(message.bids) + len(message.asks)
            kind.levels += levels
            kind.sizes.append(levels)
            if isinstance(message, DepthUpdate):
                self._levels.add(self._last_ns, levels)
        if not isinstance(message, Snapshot) or self._venue.in_stream:
            kind.delays_us.extend(recv_ns // 1000 - time_us for time_us in times)
        return kind

    def _encoded(self, message: Message, kind: _Kind, size: int, payload: bytes | str) -> None:
        """Add the size of the binary frame: its own, or the one that would say the same."""
        if self._encoder is not None:
            try:
                size = len(self._encoder.encode(message, symbol=self._only_name()))
            except SbeEncodeError:
                kind.not_encoded += 1
                return
        elif self._json or isinstance(payload, str):
            return
        kind.sbe_frames += 1
        kind.sbe_bytes += size
        kind.sbe_beats += 1 + -(-size // BEAT_BYTES)

    def _follow(self, message: Message, connection: str, file: str, line: int) -> None:
        """Check that a depth event follows the one before."""
        if isinstance(message, Snapshot):
            if self._venue.in_stream and message.symbol is not None:
                self._followed[message.symbol] = message.last_id, message.time_us or 0
            return
        if not isinstance(message, DepthUpdate):
            return
        before = self._followed.get(message.symbol)
        if before is not None and not self._venue.sequence.continues(message, before[0]):
            if message.last_id <= before[0] and message.time_us <= before[1]:
                self._counts["repeated"] += 1
                return
            self._counts["gaps"] += 1
            if len(self.gaps) < _MOST_GAPS:
                gap = Gap(message.symbol, file, line, before[0], message.first_id)
                self.gaps.append(gap)
        self._followed[message.symbol] = message.last_id, message.time_us

    def _only_name(self) -> str:
        """The one symbol a message without a name can be of; else a dash."""
        names = [name for name in self._symbols if name != "-"]
        return names[0] if len(names) == 1 else "-"


def feed_stats(paths: Sequence[str], symbols: Sequence[str] = ()) -> FeedStats:
    """Count captures that follow each other, in any format `tickgate replay` takes.

    Parameters
    ----------
    paths : sequence of str
        The files.
    symbols : sequence of str
        Only messages of these; all if empty.

    Returns
    -------
    FeedStats
        With `error` where a file could not be read to its end.

    Raises
    ------
    CaptureError
        A file cannot be opened, or is none of the formats.
    """
    venue, source = open_captures(paths)
    stats, wanted = FeedStats(venue), frozenset(symbols)
    try:
        for entry in source:
            if isinstance(entry, Refusal):
                stats.refuse(entry)
            elif isinstance(entry, Connected):
                stats.reopened(entry.connection)
            else:
                address = getattr(entry, "address", "")
                connection = getattr(entry, "connection", "")
                parsed = venue.parse(entry.payload, address)
                if wanted:
                    parsed = list(_only(parsed, wanted))
                stats.add(entry.recv_ns, entry.payload, parsed, connection, entry.path, entry.line)
    except CaptureError as error:
        stats.error = str(error)
    return stats


def _only(parsed: Parsed | list[Parsed], wanted: frozenset[str]) -> Iterator[Parsed]:
    """What is of these symbols or of none."""
    for one in parsed if isinstance(parsed, list) else [parsed]:
        name = getattr(one, "symbol", None)
        if name is None or name in wanted:
            yield one


def _mean(total: int, count: int) -> float | None:
    return total / count if count else None


def _spread(values: array[int]) -> dict[str, Any] | None:
    """Least, mean, and percentiles by nearest rank; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    count = len(ordered)
    ranks = {"p50": 50, "p99": 99}
    return {
        "min": ordered[0],
        "mean": sum(ordered) / count,
        **{name: ordered[-(-count * percent // 100) - 1] for name, percent in ranks.items()},
        "max": ordered[-1],
    }
