#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cuts the bundled slice out of a full capture; the same input gives the same bytes.

Run as ``python scripts/make_slice.py CAPTURE.gz [OUT.gz]``.
"""

import argparse
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Length of the slice in nanoseconds of local receive time.
SLICE_NS = 60 * 10**9
#: Where the bundled slice lies.
BUNDLED = Path(__file__).resolve().parent.parent / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"


def head(lines: Iterable[bytes], length_ns: int = SLICE_NS) -> Iterator[bytes]:
    """Lines received less than `length_ns` after the first one.

    Parameters
    ----------
    lines : iterable of bytes
        ``<receive time, ns> <JSON frame>``, in order of receive time.
    length_ns : int
        Length of the slice in nanoseconds.

    Yields
    ------
    bytes
        The lines, unchanged.

    Raises
    ------
    ValueError
        A line does not start with a receive time, or is earlier than the one before.
    """
    first_ns = last_ns = -1
    for number, line in enumerate(lines, 1):
        word = line.split(b" ", 1)[0]
        if not word.isdigit():
            raise ValueError(f"line {number}: expected a receive time in ns, was {word[:40]!r}")
        time_ns = int(word)
        if time_ns < last_ns:
            raise ValueError(f"line {number}: expected a time from {last_ns}, was {time_ns}")
        if first_ns < 0:
            first_ns = time_ns
        last_ns = time_ns
        if time_ns - first_ns >= length_ns:
            return
        yield line


def pack(data: bytes) -> bytes:
    """`data` as gzip at level 9, without a time or a file name in the header."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(data)
    return out.getvalue()


def streams(lines: Iterable[bytes]) -> dict[str, int]:
    """Number of frames by stream name; a REST snapshot counts as ``snapshot``."""
    counts: dict[str, int] = {}
    for line in lines:
        frame = json.loads(line.split(b" ", 1)[1])
        name = frame.get("stream", "snapshot").rpartition("btcusdt@")[2]
        counts[name] = counts.get(name, 0) + 1
    return counts


def main() -> int:
    """Write the slice and print what the README beside it states."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path, help="full capture, gzip")
    parser.add_argument("out", type=Path, nargs="?", default=BUNDLED)
    args = parser.parse_args()
    with gzip.open(args.capture) as file:
        lines = list(head(file))
    packed = pack(b"".join(lines))
    args.out.write_bytes(packed)
    print(f"{args.out}: {len(packed)} bytes, {len(lines)} lines, {streams(lines)}")
    print(f"sha256, gzip:    {hashlib.sha256(packed).hexdigest()}")
    print(f"sha256, content: {hashlib.sha256(b''.join(lines)).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
