# SPDX-License-Identifier: Apache-2.0
"""Records of one symbol whose events the board reads from the venue's own frames."""

from __future__ import annotations

from collections.abc import Sequence

from host.feeds.book import DepthEvent, FullBook
from host.feeds.writer import Print, RecordWriter
from host.wire.framing import Protocol, frame_words

__all__ = ["FrameWriter"]


class FrameWriter(RecordWriter):
    """Sends the frame of an event in place of its records, where there is a frame.

    What the board's decoder makes of a frame is what `RecordWriter` would have written: the event
    from EVENT_BEGIN to EVENT_END, or with refills inside, from EVENT_BEGIN to its last level; the
    refills and EVENT_END then follow as records. Snapshots are always sent as records: only the
    host has levels enough to make a refill that ends where it should.
    """

    def trades(self, prints: Sequence[Print], frame: bytes | None = None) -> None:
        """Write prints as their frame; see `RecordWriter.trades`."""
        if frame is None:
            super().trades(prints)
        else:
            self._frame(frame, hold=False)
            self._counters["trades"] += len(prints)

    def event(self, event: DepthEvent, book: FullBook) -> None:
        """Write an event as its frame, then refills; see `RecordWriter.event`."""
        if event.frame is None:
            super().event(event, book)
            return
        low = self._follow(event, book)
        self._frame(event.frame, hold=bool(low))
        for side in low:
            self.refill(*side)
        if low:
            self._end(event.last_id)
        self._note(event.last_id, event.time_us)

    def _frame(self, frame: bytes, hold: bool) -> None:
        self._words.fromlist(frame_words(frame, self._word >> 16, Protocol.SBE, hold))
