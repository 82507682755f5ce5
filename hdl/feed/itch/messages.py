# SPDX-License-Identifier: Apache-2.0
"""Messages of NASDAQ TotalView-ITCH 5.0 and the header of MoldUDP64, as byte offsets.

All numbers are big-endian. The layouts follow "Nasdaq TotalView-ITCH 5.0" and "MoldUDP64 Protocol
Specification 1.00". Prices have four decimals.
"""

from dataclasses import dataclass, field
from enum import Enum

__all__ = [
    "END_OF_SESSION",
    "HEADER_BYTES",
    "LENGTHS",
    "MESSAGES",
    "MOLD_COUNT",
    "MOLD_SEQUENCE",
    "MOLD_SESSION",
    "Act",
    "Message",
    "Span",
    "kept_bytes",
]

#: First byte and bytes of a field.
Span = tuple[int, int]

#: MoldUDP64: session, number of the first message, messages.
MOLD_SESSION: Span = (0, 10)
MOLD_SEQUENCE: Span = (10, 8)
MOLD_COUNT: Span = (18, 2)
#: Bytes of that header.
HEADER_BYTES = 20
#: Count that ends a session.
END_OF_SESSION = 0xFFFF


class Act(Enum):
    """What is done with a message."""

    ADD = 1  #: an order comes
    TAKE = 2  #: shares leave an order
    REPLACE = 3  #: an order goes, another comes
    PRINT = 4  #: a trade that no order in the book had part in
    STATE = 5  #: trading of a symbol halts or goes on
    SYSTEM = 6  #: the venue's day
    DIRECTORY = 7  #: a symbol is introduced
    SKIP = 8  #: known, and nothing of it is needed


_HEADER: dict[str, Span] = {"type": (0, 1), "locate": (1, 2), "timestamp": (5, 6)}
_ADD: dict[str, Span] = {"ref": (11, 8), "side": (19, 1), "shares": (20, 4), "price": (32, 4)}


@dataclass(frozen=True)
class Message:
    """One type of message.

    Parameters
    ----------
    type : str
        Its first byte.
    length : int
        Bytes of a whole one.
    act : Act
        What is done with it.
    fields : dict
        Fields that are used, beside those every message begins with.
    level : tuple of str
        Those of them a level needs.
    """

    type: str
    length: int
    act: Act
    fields: dict[str, Span] = field(default_factory=dict)
    level: tuple[str, ...] = ()

    @property
    def need(self) -> int:
        """Last byte a level, or the print, needs."""
        return max(sum(self.fields[name]) for name in self.level) - 1


MESSAGES: tuple[Message, ...] = (
    Message("A", 36, Act.ADD, _ADD, tuple(_ADD)),
    Message("F", 40, Act.ADD, _ADD, tuple(_ADD)),
    Message("E", 31, Act.TAKE, {"ref": (11, 8), "shares": (19, 4)}, ("ref", "shares")),
    Message(
        "C",
        36,
        Act.TAKE,
        {"ref": (11, 8), "shares": (19, 4), "printable": (31, 1), "price": (32, 4)},
        ("ref", "shares"),
    ),
    Message("X", 23, Act.TAKE, {"ref": (11, 8), "shares": (19, 4)}, ("ref", "shares")),
    Message("D", 19, Act.TAKE, {"ref": (11, 8)}, ("ref",)),
    Message(
        "U",
        35,
        Act.REPLACE,
        {"ref": (11, 8), "new_ref": (19, 8), "shares": (27, 4), "price": (31, 4)},
        ("ref", "new_ref", "shares", "price"),
    ),
    Message("P", 44, Act.PRINT, _ADD, ("side", "shares", "price")),
    Message("H", 25, Act.STATE, {"state": (19, 1)}),
    Message("S", 12, Act.SYSTEM, {"event": (11, 1)}),
    Message("R", 39, Act.DIRECTORY),
    *(
        Message(kind, length, Act.SKIP)
        for kind, length in (
            *(("Y", 20), ("L", 26), ("V", 35), ("W", 12), ("K", 28), ("J", 35), ("h", 21)),
            *(("Q", 40), ("B", 19), ("I", 50), ("N", 20), ("O", 48)),
        )
    ),
)

#: Bytes of a message by its type.
LENGTHS: dict[str, int] = {message.type: message.length for message in MESSAGES}


def kept_bytes() -> int:
    """Bytes from a message's start that hold every field in use."""
    spans = [*_HEADER.values(), *(span for m in MESSAGES for span in m.fields.values())]
    return max(at + size for at, size in spans)
