# SPDX-License-Identifier: Apache-2.0
"""Text frames of the binary streams: answers, errors, and that the server goes away."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import orjson

__all__ = ["Control", "ControlKind", "read_control"]

_MOST_SHOWN = 200


class ControlKind(Enum):
    """What a control message is about."""

    OPENED = "opened"  #: a connection was opened
    CLOSED = "closed"  #: a connection has ended
    FAILED = "failed"  #: a connection could not be opened; it will be tried again
    ANSWER = "answer"  #: the server has done what was asked
    ERROR = "error"  #: the server has not
    SHUTDOWN = "shutdown"  #: the server is about to go away
    OTHER = "other"  #: another text frame


class Control(NamedTuple):
    """Anything that is no market data."""

    recv_ns: int
    kind: ControlKind
    #: number of the connection, from 1
    generation: int
    #: what it says, cut to some length
    detail: str
    #: OPENED, CLOSED: another connection is open, so that nothing is missed
    covered: bool = False


def read_control(text: str) -> tuple[ControlKind, str]:
    """Read a text frame; anything is something, at the worst OTHER."""
    shown = text[:_MOST_SHOWN]
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ControlKind.OTHER, shown
    for part in _parts(frame):
        if part.get("e") == "serverShutdown":
            return ControlKind.SHUTDOWN, shown
    if not isinstance(frame, dict):
        return ControlKind.OTHER, shown
    if "error" in frame or ("code" in frame and "msg" in frame):
        return ControlKind.ERROR, shown
    return (ControlKind.ANSWER if "result" in frame else ControlKind.OTHER), shown


def _parts(frame: object) -> list[dict[str, Any]]:
    """A frame and what is wrapped in it."""
    if not isinstance(frame, dict):
        return []
    inside = [frame.get(name) for name in ("event", "data")]
    return [frame, *(part for part in inside if isinstance(part, dict))]
