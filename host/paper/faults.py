# SPDX-License-Identifier: Apache-2.0
"""Faults that are asked for: what can go wrong between a client and its venue.

None is armed at the start. A `Fault` hits the next requests whose method and path it names; the
others are switches of `host.paper.venue.PaperVenue`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "Fault", "Faults"]

#: Kinds of a `Fault`, and what becomes of the request.
KINDS = {
    "drop_before": "the connection is closed, the request is not handled",
    "drop_during": "the request is handled, the connection closed in the middle of the answer",
    "drop_after": "the request is handled, the connection closed without an answer",
    "hang_before": "nothing is handled and nothing is answered until the client gives up",
    "hang_after": "the request is handled, nothing is answered until the client gives up",
    "status": "the request is not handled; it is answered with `status`",
    "status_after": "the request is handled and yet answered with `status`",
}


@dataclass
class Fault:
    """What befalls some requests.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    method, path : str
        Requests it hits: the method, or any where empty, and a part of the path.
    count : int
        Requests it hits before it is over.
    skip : int
        Requests that it lets pass first.
    status : int
        HTTP status of the kinds that answer.
    retry_after_s : int or None
        Retry-After header of these.
    """

    kind: str
    method: str = ""
    path: str = ""
    count: int = 1
    skip: int = 0
    status: int = 503
    retry_after_s: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind of fault: expected one of {', '.join(KINDS)}, was {self.kind}")

    def hits(self, method: str, path: str) -> bool:
        """Whether a request is one of those; counts it."""
        if self.count <= 0 or self.path not in path or self.method not in ("", method):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.count -= 1
        return True


class Faults:
    """The faults that are armed, and how many requests each has hit."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self.hits: dict[str, int] = {}

    def arm(self, fault: Fault) -> None:
        """Add a fault; the oldest that fits hits first."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Take all faults away."""
        self._armed.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits a request, None where there is none."""
        for fault in self._armed:
            if fault.hits(method, path):
                self.hits[fault.kind] = self.hits.get(fault.kind, 0) + 1
                if not fault.count:
                    self._armed.remove(fault)
                return fault
        return None
