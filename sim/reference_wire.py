# SPDX-License-Identifier: Apache-2.0
"""Reference model of the whole fabric with its feeds: beats in, out records out.

Frames become records by `sim.reference_sbe` and `sim.reference_itch`; what the records mean is left
to `sim.reference`.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE, InFlag, InKind, Protocol
from sim.reference import MAX_U32, Records, Reference
from sim.reference_itch import ItchReference, ItchSizes
from sim.reference_sbe import InRecord, SbeReference, Ticker

__all__ = ["BEAT_BYTES", "WireReference"]

BEAT_BYTES = 16
_FIELDS = struct.Struct("<BBBBIQ")  # of IN_DTYPE


class WireReference:
    """The fabric as ``docs/contract.md`` describes it, frames included.

    Parameters
    ----------
    symbols, levels, qty_bits : int
        Build parameters S, K and Q.
    sbe : bool
        The build has the SBE decoder.
    itch : ItchSizes or None
        Sizes of its ITCH feed, if it has one.
    own_orders : int
        Own orders the gate has room for.
    vectors : bool
        Features are told.

    Attributes
    ----------
    records : list of InRecord
        Every record the pipeline has taken, those of frames among them.
    """

    def __init__(
        self,
        symbols: int = 16,
        levels: int = 32,
        qty_bits: int = 48,
        *,
        sbe: bool = True,
        itch: ItchSizes | None = None,
        own_orders: int = 64,
        vectors: bool = True,
    ) -> None:
        self._sizes = symbols, levels, qty_bits
        self._own_orders, self._vectors = own_orders, vectors
        self._has_sbe, self._itch_sizes = sbe, itch
        self._begin()

    def _begin(self) -> None:
        symbols, levels, qty_bits = self._sizes
        self.fabric = Reference(symbols, levels, qty_bits, self._own_orders, vectors=self._vectors)
        self.sbe = SbeReference(symbols, qty_bits)
        self.itch = None if self._itch_sizes is None else ItchReference(self._itch_sizes)
        self.records: list[InRecord] = []
        self._counts: Counter[str] = Counter()
        # FRAME under way: its record, bytes so far, and how many beats are missing
        self._frame: InRecord | None = None
        self._bytes = bytearray()
        self._missing = 0

    @property
    def counters(self) -> dict[str, int]:
        """Every counter register by name, saturated."""
        own = {**self.sbe.counts, **self._counts}
        if self.itch is not None:
            own.update(self.itch.counters)
        known = self.fabric.counters
        return {name: min(own.get(name, count), MAX_U32) for name, count in known.items()}

    def write(self, name: str, value: int) -> None:
        """Write a register between two beats; see `Reference.write`."""
        self.fabric.write(name, value)
        if name.startswith("sbe_"):
            self.sbe.write(name, value)
        if name.startswith("itch_") and self.itch is not None:
            self._write_itch(self.itch, name.removeprefix("itch_"), value)
        if name == "control" and value & 1:
            self._begin()

    @staticmethod
    def _write_itch(itch: ItchReference, name: str, value: int) -> None:
        if name == "restart":
            itch.restart()
        elif name == "locate":
            itch.select(value)
        else:
            setattr(itch, name, value)

    def feed(self, beats: Records) -> npt.NDArray[np.uint8]:
        """Take beats of 16 bytes and answer what the fabric must emit for them.

        Parameters
        ----------
        beats : ndarray of IN_DTYPE or uint8, or bytes
            Records, and the bytes behind each FRAME, padded to whole beats.

        Returns
        -------
        ndarray of uint8, shape (n, 64)
            Out records in order, their cycle fields 0.
        """
        data = beats.tobytes() if isinstance(beats, np.ndarray) else bytes(beats)
        out = [self._feed(made, ticker) for made, ticker in self._made(data)]
        return np.concatenate([np.zeros((0, 64), np.uint8), *out])

    def _made(self, data: bytes) -> Iterator[tuple[list[InRecord], Ticker | None]]:
        """Records of the beats, a ticker behind those it comes after."""
        waiting: list[InRecord] = []
        for at in range(0, len(data), BEAT_BYTES):
            beat = data[at : at + BEAT_BYTES]
            if self._missing:
                self._missing -= 1
                self._bytes += beat
                if not self._missing and self._frame is not None:
                    frame, self._frame = self._frame, None
                    octets = bytes(self._bytes[: frame.value & MAX_U32])
                    if frame.tag == Protocol.MOLDUDP64 and self.itch is not None:
                        waiting += [InRecord(*told) for told in self.itch.frame(octets)]
                        continue
                    hold = bool(frame.flags & InFlag.HOLD)
                    made, ticker = self.sbe.message(frame.symbol, octets, hold=hold)
                    waiting += made
                    if ticker is not None:
                        yield waiting, ticker
                        waiting = []
                continue
            record = InRecord(*_FIELDS.unpack(beat))
            if record.kind == InKind.FRAME:
                waiting += self._begin_frame(record)
            else:
                self.sbe.native(record)
                waiting.append(record)
        yield waiting, None

    def _begin_frame(self, record: InRecord) -> list[InRecord]:
        """Take a FRAME; what is handed on of it."""
        starts = bool(record.flags & InFlag.START)
        length = record.value & MAX_U32
        self._missing = 0 if starts else -(-length // BEAT_BYTES)
        self._bytes.clear()
        sized = 0 < record.value <= MAX_U32
        fits = (record.value < 1 << 63 if starts else sized) and record.flags == (
            InFlag.START if starts else record.flags & InFlag.HOLD
        )
        is_sbe = self._has_sbe and record.tag == Protocol.SBE and fits
        is_mold = self.itch is not None and record.tag == Protocol.MOLDUDP64
        is_mold = is_mold and sized and record.flags == 0
        if not ((is_sbe or is_mold) and record.price_ticks == 0 and record.symbol < self._sizes[0]):
            self._counts["frames_refused"] += 1
            return [record]
        if starts:
            self.sbe.start(record.symbol, record.value)
        else:
            self._counts["frames"] += 1
            self._frame = record
        return []

    def _feed(self, made: list[InRecord], ticker: Ticker | None) -> npt.NDArray[Any]:
        self.records += made
        out = self.fabric.feed(np.array(made, IN_DTYPE))
        shown = None if ticker is None else self.fabric.shown_last(ticker.symbol)
        if ticker is not None and shown is not None and shown[0] == ticker.update_id:
            self._counts["sbe_bbo_checked"] += 1
            self._counts["sbe_bbo_mismatch"] += shown[1:] != ticker[2:]
        return out
