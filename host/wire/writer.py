# SPDX-License-Identifier: Apache-2.0
"""Records of one symbol whose events the board reads from the venue's own frames."""

from __future__ import annotations

from collections.abc import Sequence

from host.contract.records import Protocol
from host.feeds.book import DepthEvent, FullBook
from host.feeds.writer import Print, RecordWriter
from host.wire.framing import frame_words, start_words

__all__ = ["FrameWriter"]


class FrameWriter(RecordWriter):
    """Sends the frame of an event in place of its records, where there is a frame.

    What the board's decoder makes of a frame is what `RecordWriter` would have written: the event
    from EVENT_BEGIN to EVENT_END, or with refills inside, from EVENT_BEGIN to its last level; the
    refills and EVENT_END then follow as records. Snapshots are always sent as records: only the
    host has levels enough to make a refill that ends where it should. After one that begins a book
    the board is told its update id, after which its own check of the ids goes on. A futures event
    that ends with just this id follows the snapshot as well, and changes nothing of it; it is
    announced by the id before its first one.
    """

    #: update id of the snapshot, until an event has followed it
    _loaded_id: int | None = None

    def loaded(self, book: FullBook) -> None:
        """Write a snapshot that begins a book, and its update id."""
        super().loaded(book)
        self._loaded_id = book.last_id
        self._start(book.last_id)

    def trades(self, prints: Sequence[Print], frame: bytes | None = None) -> None:
        """Write prints as their frame; see `RecordWriter.trades`."""
        if frame is None:
            super().trades(prints)
        else:
            self._frame(frame, hold=False)
            self._counters["trades"] += len(prints)

    def ticker(self, frame: bytes | None) -> None:
        """Write a best bid and ask as its frame; it makes no record."""
        if frame is not None:
            self._frame(frame, hold=False)

    def event(self, event: DepthEvent, book: FullBook) -> None:
        """Write an event as its frame, then refills; see `RecordWriter.event`."""
        if event.frame is None:
            super().event(event, book)
            return
        if event.prev_id is not None and event.last_id == self._loaded_id:
            self._start(event.prev_id)
        self._loaded_id = None
        low = self._follow(event, book)
        self._frame(event.frame, hold=bool(low))
        for side in low:
            self.refill(*side)
        if low:
            self._end(event.last_id)
        self._note(event.last_id, event.time_us)

    def _start(self, update_id: int) -> None:
        self._words.fromlist(start_words(update_id, self._symbol, Protocol.SBE))

    def _frame(self, frame: bytes, hold: bool) -> None:
        self._words.fromlist(frame_words(frame, self._symbol, Protocol.SBE, hold))
