# SPDX-License-Identifier: Apache-2.0
"""Batches and packets of a link through memory, the host's side of ``docs/batches.md``."""

import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from host.links.base import OUT_BYTES, LinkError

__all__ = [
    "HEADER_BYTES",
    "PACKET_BYTES",
    "READ",
    "RECORDS",
    "WRITE",
    "Answer",
    "Trailer",
    "header",
    "trailer",
]

# Kinds of batches.
RECORDS, READ, WRITE = 1, 2, 3
HEADER_BYTES = 16
#: A buffer of this size holds any packet: 255 out records and the trailer.
PACKET_BYTES = 256 * OUT_BYTES

_HEADER = struct.Struct("<BBHIII")
_TRAILER = struct.Struct("<BBHIIIII")
_TRAILER_KIND = 0xFF
_DONE = 1
_WRONG = {2: "was shorter than its header said", 4: "was longer than its header said"}
_WRONG[8] = "was of no kind this board takes"


def header(kind: int, number: int, *, count: int = 0, address: int = 0, value: int = 0) -> bytes:
    """The first 16 bytes of a batch."""
    return _HEADER.pack(kind, 0, address, number, count, value)


class Trailer(NamedTuple):
    """What the end of a packet says.

    Attributes
    ----------
    status : int
        Bit 0: the answer ends here; others: what was wrong with the batch.
    records : int
        Out records in this packet.
    number : int
        Of the batch.
    taken : int
        Its records that the board has taken so far.
    value : int
        The word of a READ.
    packets : int
        Packets before this one since reset.
    faults : int
        Errors of the board's memory port since reset.
    """

    status: int
    records: int
    number: int
    taken: int
    value: int
    packets: int
    faults: int

    @property
    def done(self) -> bool:
        """The answer ends with this packet."""
        return bool(self.status & _DONE)


def trailer(row: bytes) -> Trailer | None:
    """Read the last 64 bytes of a packet; None where they are an out record."""
    kind, status, records, number, taken, value, packets, faults = _TRAILER.unpack_from(row)
    if kind != _TRAILER_KIND:
        return None
    return Trailer(status, records, number, taken, value, packets, faults)


class Answer:
    """Puts an answer together from its packets, and finds what is wrong with it.

    Parameters
    ----------
    link : str
        Name of the link, for errors.
    number : int
        Of the batch.
    count : int
        Records of the batch.
    packets : int or None
        Packets before this answer; None: not known, the first one tells.
    """

    def __init__(self, link: str, number: int, count: int, packets: int | None) -> None:
        self._link, self._number, self._count = link, number, count
        self._rows: list[npt.NDArray[np.uint8]] = []
        self.packets = packets
        self.value = self.faults = 0
        self.done = False

    def add(self, packet: npt.NDArray[np.uint8], *, keep: bool = True) -> None:
        """Take a packet, trailer included.

        Parameters
        ----------
        packet : numpy.ndarray
            Shape (n, 64), uint8.
        keep : bool
            Keep its out records; otherwise they are dropped, however many have come.

        Raises
        ------
        LinkError
            It is not whole, not the next one, or the board says that the batch was wrong.
        """
        end = trailer(packet[-1].tobytes()) if len(packet) else None
        if end is None:
            raise LinkError(f"link {self._link}: expected a packet to end with a trailer, did not")
        if self.packets is not None and end.packets != self.packets:
            raise LinkError(
                f"link {self._link}: expected packet {self.packets}, was {end.packets}: "
                "out records are lost"
            )
        self.packets = end.packets + 1 & 0xFFFFFFFF
        if end.number != self._number:
            raise LinkError(
                f"link {self._link}: expected the answer to batch {self._number}, "
                f"was that to {end.number}"
            )
        if keep and end.records != len(packet) - 1:
            raise LinkError(
                f"link {self._link}: expected {end.records} out records in a packet, "
                f"was {len(packet) - 1}"
            )
        for bit, text in _WRONG.items():
            if end.status & bit:
                raise LinkError(
                    f"link {self._link}: batch {self._number} {text}; the board took "
                    f"{end.taken} of {self._count} records and made every symbol invalid"
                )
        if end.done and end.taken != self._count:
            raise LinkError(
                f"link {self._link}: expected {self._count} records to be taken, was {end.taken}"
            )
        if keep:
            self._rows.append(packet[:-1].copy())
        self.value, self.faults, self.done = end.value, end.faults, end.done

    @property
    def rows(self) -> npt.NDArray[np.uint8]:
        """All out records so far, shape (n, 64)."""
        if not self._rows:
            return np.empty((0, OUT_BYTES), np.uint8)
        return self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)
