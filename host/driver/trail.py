# SPDX-License-Identifier: Apache-2.0
"""The trail of a session: each decision with the frame it came from, and everything that happened.

Two files of JSON lines: ``decisions.jsonl`` has an entry for every order, with the bytes of the
frame and when it passed; ``events.jsonl`` what the session did. Entries are written in batches,
so that no order waits for a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from host.driver.bridge import Wanted
from host.driver.loop import Passage

__all__ = ["Trail", "read_lines"]

_DECISIONS, _EVENTS = "decisions.jsonl", "events.jsonl"
#: Passages that are kept for the figures of latency.
_MOST_KEPT = 1_000_000


class Trail:
    """Writes the trail.

    Parameters
    ----------
    folder : Path
        Takes the files; they grow from session to session.
    session : int
        Number of the session, of the journal.
    name_of : callable
        Client id of a decision.
    now_ms : callable
        Our clock.

    Attributes
    ----------
    passages : list of Passage
        Of all orders of the session.
    """

    def __init__(
        self,
        folder: Path,
        session: int,
        name_of: Callable[[int], str],
        now_ms: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._session = session
        self._name_of = name_of
        self._now_ms = now_ms
        self._decisions: list[tuple[bytes | str, Wanted, Passage, int]] = []
        self._events: list[dict[str, Any]] = []
        self.passages: list[Passage] = []

    def decision(self, frame: bytes | str, wanted: Wanted, passage: Passage) -> None:
        """Keep an order that was handed on."""
        self._decisions.append((frame, wanted, passage, self._now_ms()))
        if len(self.passages) < _MOST_KEPT:
            self.passages.append(passage)

    def event(self, kind: str, **more: Any) -> None:
        """Keep something the session did."""
        entry = {"time_ms": self._now_ms(), "session": self._session, "kind": kind, **more}
        self._events.append(entry)

    def flush(self) -> None:
        """Write what is kept.

        Raises
        ------
        OSError
            A file cannot be written; what was kept is dropped.
        """
        decisions, self._decisions = self._decisions, []
        events, self._events = self._events, []
        entries = [
            {
                "time_ms": time_ms,
                "session": self._session,
                "id": self._name_of(wanted.decision),
                "decision": wanted.decision >> 8,
                "slot": wanted.decision & 0xFF,
                "symbol": wanted.symbol,
                "side": wanted.side,
                "qty": str(wanted.qty),
                "price": str(wanted.price),
                "tif": wanted.tif,
                "reduce_only": wanted.reduce_only,
                "update_id": wanted.update_id,
                "normalise_us": (passage.fed_ns - passage.received_ns) // 1000,
                "link_us": (passage.linked_ns - passage.fed_ns) // 1000,
                "order_us": (passage.sent_ns - passage.linked_ns) // 1000,
                "frame": frame if isinstance(frame, str) else frame.decode("utf-8", "replace"),
            }
            for frame, wanted, passage, time_ms in decisions
        ]
        _append(self._folder / _DECISIONS, entries)
        _append(self._folder / _EVENTS, events)


def read_lines(folder: Path, decisions: bool = True) -> Iterator[dict[str, Any]]:
    """Entries of one of the files, oldest first; a last line that was cut is left out."""
    path = folder / (_DECISIONS if decisions else _EVENTS)
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(found, dict):
                yield found


def _append(path: Path, entries: list[dict[str, Any]]) -> None:
    if entries:
        with path.open("ab") as file:
            file.write(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))
