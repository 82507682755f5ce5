# SPDX-License-Identifier: Apache-2.0
"""A capture of Binance's JSON written again as the binary frames that say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from host.feeds.capture import CaptureReader
from host.feeds.messages import BookTicker, Message, Refusal, Snapshot
from host.feeds.venues import BINANCE
from host.wire.recording import PathLike, SbeWriter
from host.wire.sbe_encode import SbeEncodeError, SbeEncoder

__all__ = ["encode_capture", "not_encoded"]


def encode_capture(
    paths: Sequence[PathLike],
    out: PathLike,
    encoder: SbeEncoder | None = None,
    *,
    binary_snapshots: bool = False,
) -> Counter[str]:
    """Encode captures of `<receive time, ns> <JSON>` lines.

    A ticker without a time of its own, as spot sends it, gets the receive time.

    Parameters
    ----------
    paths : sequence of path
        Captures that follow each other.
    out : path
        Takes the frames, see `host.wire.recording`.
    encoder : SbeEncoder, optional
        With the venue's exponents if not given.
    binary_snapshots : bool
        Encode snapshots as well. They are kept as text otherwise: they come as the answer to a
        request and tell tick, lot and depth by how they are written, which a frame does not.

    Returns
    -------
    Counter
        Frames by the kind of their message; refusals of the capture by their counter; `text`,
        frames kept as text; and what could not be encoded, by the name of the error.

    Raises
    ------
    CaptureError
        As of `host.feeds.capture.CaptureReader`; what was read before is written.
    """
    encode = (SbeEncoder() if encoder is None else encoder).encode
    counts: Counter[str] = Counter()
    names: dict[str, None] = {}
    reader = CaptureReader(paths)
    with SbeWriter(out) as writer:
        for frame in reader:
            if isinstance(frame, Refusal):
                counts[frame.reason] += 1
                continue
            parsed = BINANCE.parse(frame.payload, "")
            for message in parsed if isinstance(parsed, list) else [parsed]:
                if isinstance(message, Refusal):
                    counts[message.reason] += 1
                    continue
                kind, payload = type(message).__name__, frame.payload.decode()
                as_text = isinstance(message, Snapshot) and not binary_snapshots
                if as_text or not isinstance(message, Message):
                    writer.write(frame.recv_ns, payload)
                    counts["text"] += 1
                    continue
                if message.symbol is not None:
                    names.setdefault(message.symbol)
                time_us = None
                if isinstance(message, BookTicker) and message.time_us is None:
                    time_us = frame.recv_ns // 1000
                only = next(iter(names)) if len(names) == 1 else None
                try:
                    body = encode(message, symbol=only, event_time_us=time_us)
                except SbeEncodeError as error:
                    counts[type(error).__name__] += 1
                    continue
                writer.write(frame.recv_ns, body)
                counts[kind] += 1
    return counts


def not_encoded(counts: Counter[str]) -> int:
    """Messages that had no exact frame, of what `encode_capture` returns."""
    return sum(counts[error.__name__] for error in SbeEncodeError.__subclasses__())
