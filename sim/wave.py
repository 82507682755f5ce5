# SPDX-License-Identifier: Apache-2.0
"""Waves of a window of a run, and what is in a dump."""

import re
from pathlib import Path

__all__ = ["CYCLE_NS", "WaveError", "signals", "window_ns"]

#: A clock cycle in a dump: the rising edge that begins cycle n is at n times this.
CYCLE_NS = 10

_VAR = re.compile(r"\$var\s+\S+\s+(\d+)\s+\S+\s+(\S+).*?\$end")


class WaveError(ValueError):
    """A file is not a value change dump."""


def signals(path: str | Path) -> dict[str, int]:
    """Names of the signals in a value change dump.

    Parameters
    ----------
    path : str or pathlib.Path
        A VCD file.

    Returns
    -------
    dict
        Width in bits by name, with the scopes before it: ``board.core.pipeline.book.best``.

    Raises
    ------
    WaveError
        The file's header does not end.
    """
    scopes: list[str] = []
    found: dict[str, int] = {}
    with Path(path).open(errors="replace") as lines:
        for line in lines:
            words = line.split()
            if not words:
                continue
            if words[0] == "$scope":
                scopes.append(words[2])
            elif words[0] == "$upscope":
                scopes.pop()
            elif words[0] == "$enddefinitions":
                return found
            elif match := _VAR.match(line.strip()):
                found[".".join([*scopes, match[2]])] = int(match[1])
    raise WaveError(f"{path}: expected the end of a VCD header, was the end of the file")


def window_ns(path: str | Path) -> tuple[int, int]:
    """First and last time of a value change dump, nanoseconds.

    Raises
    ------
    WaveError
        The file holds no time.
    """
    first = last = None
    with Path(path).open(errors="replace") as lines:
        for line in lines:
            if line.startswith("#"):
                last = int(line[1:])
                first = last if first is None else first
    if first is None or last is None:
        raise WaveError(f"{path}: expected a time, was none")
    return first, last
