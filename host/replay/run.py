# SPDX-License-Identifier: Apache-2.0
"""A capture through a board: frames in, out records and registers collected."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE, REFILL_REQUEST_DTYPE, OutKind
from host.contract.registers import COUNTERS
from host.execution.assumed import assumed_fills
from host.feeds.capture import CaptureError
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.links.base import OUT_BYTES, Identity, Link, Parts
from host.model.load import confirm
from host.model.rule import ModelRule
from host.replay.registers import NamedRegisters
from host.replay.source import open_captures
from host.settings import ReplaySettings, SettingError, Write
from host.wire.framing import FramingError, Wire
from host.wire.ingress import Steps, expand, frame_counts
from host.wire.sbe_decode import SbeError
from host.wire.scales import ScaleRange, exponents_of, sbe_writes
from host.wire.selection import WireError, select

__all__ = ["LATENCY_REGISTERS", "Options", "ReplayError", "Run", "Step", "replay"]

#: What the board measures of its decisions; single registers, then arrays.
LATENCY_REGISTERS = ("latency_min", "latency_max", "latency_sum")
LATENCY_ARRAYS = ("latency_histogram", "span_histogram")

#: One thing done to the board: registers written, or records sent.
Step = Union[Write, "npt.NDArray[Any]"]

#: Reads of the register `status` until the memories must be swept.
_RESET_READS = 1 << 16


class ReplayError(RuntimeError):
    """A replay that cannot go on; the text is one line for the user."""


@dataclass(frozen=True)
class Options:
    """What is replayed and how.

    Parameters
    ----------
    captures : sequence of str
        Files that follow each other, see `host.replay.source.open_captures`.
    settings : ReplaySettings
        Rule and limits.
    symbols : sequence of str
        Symbols that are taken; all that appear if empty.
    tick, lot : Decimal or None
        Of every symbol; None: taken from its first snapshot.
    refill_at : int or None
        A side of the fabric with fewer levels is refilled ahead; None: half of its levels, or
        the levels the rule sums where that is more. A refill stands before the end of the event
        it follows, so that with this many no event leaves a side too short for the rule.
    fill_delay_us : int
        Length of a chunk of stream time; what the board answers to one chunk (orders to be
        filled, refill requests) is acted on after it.
    fills : bool
        Report accepted orders as filled, see `host.execution.assumed`.
    writes : sequence of Write
        Registers written after those of the settings.
    wire : Wire
        How events travel to the board.
    model : ModelRule or None
        A model that decides entries in place of the imbalance.
    named : NamedRegisters
        Settings of every symbol that stand in place of those of `settings` and `model`.
    """

    captures: Sequence[str]
    settings: ReplaySettings
    symbols: Sequence[str] = ()
    tick: Decimal | None = None
    lot: Decimal | None = None
    refill_at: int | None = None
    fill_delay_us: int = 100_000
    fills: bool = True
    writes: Sequence[Write] = ()
    wire: Wire = Wire.NATIVE
    model: ModelRule | None = None
    named: NamedRegisters = field(default_factory=NamedRegisters)


@dataclass
class Run:
    """Everything a replay left behind.

    Attributes
    ----------
    steps : list of Step
        What was done to the board after its reset, in order; frames as the records that an
        independent reader makes of them (`host.wire.ingress`).
    beats : int
        16-byte beats on the link, frames included.
    frames : Counter
        What the board's counters of frames have to say.
    out : ndarray of uint8, shape (n, 64)
        What it answered.
    depth_frames : int
        Depth events in the capture, and frames of the venue that cannot be read.
    capture_error : CaptureError or None
        Why the capture ended early.
    registers : dict
        Counters and latency registers at the end.
    arrays : dict
        Histogram registers at the end, shape (32,).
    cycles : int
        Clock cycles of the board since its reset.
    trees : int
        Trees of the board's model; 0 for a board without one.
    parts : Parts
        Optional parts of the board.
    feed_seconds, link_seconds, expand_seconds : float
        Time from file to records, on the link, and for reading the frames back.
    """

    options: Options
    identity: Identity
    session: FeedSession
    steps: list[Step] = field(default_factory=list)
    out: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, OUT_BYTES), np.uint8))
    depth_frames: int = 0
    capture_error: CaptureError | None = None
    registers: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, list[int]] = field(default_factory=dict)
    cycles: int = 0
    trees: int = 0
    parts: Parts = field(default_factory=Parts)
    beats: int = 0
    frames: Counter[str] = field(default_factory=Counter)
    feed_seconds: float = 0.0
    link_seconds: float = 0.0
    expand_seconds: float = 0.0

    def records(self) -> npt.NDArray[Any]:
        """All records sent, shape (n,) of IN_DTYPE."""
        batches = [step for step in self.steps if not isinstance(step, Write)]
        return np.concatenate(batches) if batches else np.empty(0, IN_DTYPE)


class _Replayer:
    """One run in the making."""

    def __init__(self, options: Options, link: Link) -> None:
        self._options, self._link = options, link
        identity = link.identify()
        try:
            sizes = FeedSettings(
                symbols=identity.symbols,
                levels=identity.levels,
                qty_bits=identity.qty_bits,
                refill_at=_refill_at(options, identity.levels),
            )
        except ValueError as error:
            raise ReplayError(f"--{str(error).replace('_', '-', 1)}") from None
        if options.settings.levels > identity.levels:
            raise ReplayError(
                f"--levels: expected at most the {identity.levels} of this board, "
                f"was {options.settings.levels}"
            )
        names = list(dict.fromkeys(options.symbols))
        instruments = [
            Instrument(name, n, options.tick, options.lot) for n, name in enumerate(names)
        ]
        venue, self._source = open_captures(options.captures)
        try:
            venue, writer = select(options.wire, venue, link)
        except WireError as error:
            raise ReplayError(str(error)) from None
        try:
            session = FeedSession(
                instruments,
                sizes,
                adopt=not names,
                keep_refusals=100,
                venue=venue,
                keep_quotes=True,
                writer=writer,
            )
        except ValueError as error:
            raise ReplayError(str(error)) from None
        self.run = Run(options, identity, session)
        self._shape = link.read("model_shape")
        self.run.trees = self._shape & 0xFFFF
        self.run.parts = link.parts()
        if options.model is not None and options.model.levels != options.settings.levels:
            raise ReplayError(
                f"--levels: expected the {options.model.levels} the model was trained with, "
                f"was {options.settings.levels}"
            )
        self._configured: set[str] = set()
        self._decoded: set[int] = set()
        self._order_lots: int | None = None
        self._out: list[npt.NDArray[np.uint8]] = []

    def write(self, writes: Sequence[Write]) -> None:
        for write in writes:
            self._link.write(*write)
        self.run.steps.extend(writes)

    def load(self, model: ModelRule) -> None:
        """Load a model."""
        self.write(model.writes(self._shape))
        confirm(self._link, model.image)

    def reset(self) -> None:
        """Bring the board to its reset state; a board on a cable may have any other."""
        self._link.write("control", 1)
        for _ in range(_RESET_READS):
            if self._link.read("status") & 1:
                return
        raise ReplayError(f"status: expected bit 0 within {_RESET_READS} reads, was 0")

    def read_frames(self, progress: Callable[[int, int], None]) -> None:
        run, session, delay_us = self.run, self.run.session, self._options.fill_delay_us
        reader = self._source
        feeds = session.feeds
        known = 0
        chunk: int | None = None
        carry = np.empty(0, IN_DTYPE)
        try:
            for frame in reader:
                before = len(session)
                session.feed(frame)
                if len(feeds) != known:
                    self._adopted()
                    known = len(feeds)
                if len(session) == before:
                    continue
                for feed in feeds.values():
                    if not feed.event_times:
                        continue
                    newest = feed.event_times[-1] // delay_us
                    del feed.event_times[:]
                    if chunk is not None and newest > chunk:
                        records = session.take()
                        answer = self._send(np.concatenate([carry, records[:before]]))
                        carry = np.concatenate([answer, records[before:]])
                        progress(reader.bytes_done, reader.bytes_total)
                        before = 0
                    chunk = newest if chunk is None else max(chunk, newest)
        except CaptureError as error:
            run.capture_error = error
        answer = self._send(np.concatenate([carry, session.take()]))
        self._send(np.concatenate([answer, session.take()]))
        progress(reader.bytes_total, reader.bytes_total)
        run.out = np.concatenate([run.out, *self._out])
        run.depth_frames = session.counters["depth_events"] + session.counters["bad_frame"]

    def _adopted(self) -> None:
        """Give tick and lot to symbols that appeared in the stream."""
        options = self._options
        for feed in self.run.session.feeds.values():
            if feed.price_scale is None:
                feed.instrument = feed.instrument._replace(tick=options.tick, lot=options.lot)

    def _configure(self) -> None:
        """Write the limits of symbols whose tick and lot are known by now."""
        settings, options = self._options.settings, self._options
        for name, feed in self.run.session.feeds.items():
            if name in self._configured or feed.price_scale is None or feed.qty_scale is None:
                continue
            price, qty = feed.price_scale, feed.qty_scale
            if options.tick not in (None, price.step) or options.lot not in (None, qty.step):
                raise ReplayError(
                    f"{name}: expected tick and lot as given, was {price.step} and {qty.step}; "
                    "name it with --symbol"
                )
            lots = settings.order_lots(qty)
            if self._order_lots is None:
                self.write([Write("order_qty", lots)])
                self._order_lots = lots
            elif lots != self._order_lots:
                raise SettingError(
                    f"--order-qty: expected the same number of lots for every symbol, "
                    f"was {self._order_lots} and for {name} {lots}"
                )
            symbol, delay_us = feed.instrument.symbol, options.fill_delay_us
            model = options.model and options.model.symbol_writes(symbol, lots, delay_us)
            strategy = options.named.strategy_writes(symbol, lots, model or ())
            exits = any(write.register == "strategy_exits" and write.value for write in strategy)
            limits = settings.symbol_writes(symbol, price, qty, exits)
            self.write(options.named.limit_writes(limits))
            self.write(strategy)
            self._configured.add(name)

    def _send(self, records: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Send a chunk; the reports that go before the next one."""
        nothing = np.empty(0, IN_DTYPE)
        if not len(records):
            return nothing
        self._configure()
        if self._options.wire is Wire.SBE:
            self._configure_decoder(records)
        began = time.perf_counter()
        out = self._link.transfer(records)
        self.run.link_seconds += time.perf_counter() - began
        self.run.beats += len(records)
        self.run.steps.append(self._as_records(records))
        if not len(out):
            return nothing
        self._out.append(out)
        requests = np.ascontiguousarray(out[out[:, 0] == OutKind.REFILL_REQUEST])
        for request in requests.view(REFILL_REQUEST_DTYPE).reshape(-1):
            with suppress(KeyError):  # a symbol that was never sent: the reference will differ
                self.run.session.on_refill_request(int(request["symbol"]), int(request["flags"]))
        return assumed_fills(out) if self._options.fills else nothing

    def _configure_decoder(self, beats: npt.NDArray[Any]) -> None:
        """Write the scales of symbols whose first frame is about to be sent.

        They are no step of the run: what is compared with the reference has no frames.
        """
        feeds = self.run.session.feeds.values()
        if all(feed.instrument.symbol in self._decoded for feed in feeds):
            return
        try:
            found = exponents_of(beats)
            for feed in feeds:
                symbol, price, qty = feed.instrument.symbol, feed.price_scale, feed.qty_scale
                if symbol in found and symbol not in self._decoded and price and qty:
                    for write in sbe_writes(symbol, price.step, qty.step, found[symbol]):
                        self._link.write(*write)
                    self._decoded.add(symbol)
        except (FramingError, SbeError, ScaleRange) as error:
            raise ReplayError(f"--wire sbe: {error}") from None

    def _as_records(self, beats: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Frames as the records that the board makes of them."""
        if self._options.wire is Wire.NATIVE:
            return beats
        began = time.perf_counter()
        steps = {
            feed.instrument.symbol: Steps(feed.price_scale.step, feed.qty_scale.step)
            for feed in self.run.session.feeds.values()
            if feed.price_scale is not None and feed.qty_scale is not None
        }
        try:
            records = expand(beats, steps)
            self.run.frames.update(frame_counts(beats))
        except (FramingError, SbeError) as error:
            raise ReplayError(f"--wire {self._options.wire.value}: {error}") from None
        self.run.expand_seconds += time.perf_counter() - began
        return records

    def read_registers(self) -> None:
        run, link = self.run, self._link
        run.cycles = link.read("cycle")
        run.registers = {name: link.read(name) for name in (*COUNTERS, *LATENCY_REGISTERS)}
        run.arrays = {name: link.read_array(name).tolist() for name in LATENCY_ARRAYS}


def _refill_at(options: Options, levels: int) -> int:
    """Levels of a side below which it is refilled, for a board that keeps `levels`."""
    if options.refill_at is not None:
        return options.refill_at
    return max(levels // 2, min(levels, options.settings.levels))


def replay(options: Options, link: Link, progress: Callable[[int, int], None]) -> Run:
    """Reset a board and send captures through it.

    The stream of records, and so everything the board decides, depends on the captures and the
    options alone.

    Parameters
    ----------
    options : Options
        What is replayed and how.
    link : Link
        An open link.
    progress : callable
        Called with the bytes of the files that are done and in all.

    Returns
    -------
    Run
        Its `capture_error` says whether the capture was read to its end.

    Raises
    ------
    ReplayError
        The options do not fit the board or each other.
    SettingError
        A setting does not fit tick and lot of a symbol.
    CaptureError
        A file is missing or empty.
    LinkError
        The board is another one, or does not answer.
    """
    replayer = _Replayer(options, link)
    replayer.reset()
    replayer.write([*options.settings.writes(), *options.writes])
    if options.model is not None:
        replayer.load(options.model)
    replayer.write(options.named.global_writes())
    began = time.perf_counter()
    replayer.read_frames(progress)
    run = replayer.run
    run.feed_seconds = time.perf_counter() - began - run.link_seconds - run.expand_seconds
    replayer.read_registers()
    return run
