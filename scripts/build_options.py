# SPDX-License-Identifier: Apache-2.0
"""What scripts that build take from outside: options they have in common, and a report.

What is wrong is told by `OptionError` in one line, before anything is synthesised.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hdl.config import BuildConfig

__all__ = [
    "OptionError",
    "in_a_line",
    "installed",
    "made",
    "numbers",
    "report",
    "runs",
    "sized",
    "told_clock",
]


class OptionError(ValueError):
    """An option, or a file it names, cannot be used; the text is one line for the user."""


def in_a_line(work: Callable[[], int]) -> int:
    """Exit status of a script's work; what is wrong with an option ends it in one line."""
    try:
        return work()
    except OptionError as error:
        sys.exit(str(error))


def numbers(option: str, given: Iterable[str], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Pairs ``NAME=NUMBER`` by name.

    Parameters
    ----------
    option : str
        What they are given by.
    given : iterable of str
        The pairs.
    kinds : mapping
        The names there are, and what their numbers are: `int` or `float`.

    Raises
    ------
    OptionError
        One is no such pair.
    """
    found = {}
    for part in given:
        name, _, text = part.partition("=")
        try:
            found[name] = value = kinds[name](text)
            if not math.isfinite(value):
                raise ValueError
        except (KeyError, ValueError, OverflowError):
            raise OptionError(
                f"{option}: expected NAME=NUMBER of {', '.join(kinds)}, was {part!r}"
            ) from None
    return found


def sized(config: BuildConfig, given: Iterable[str], but: Sequence[str] = ()) -> BuildConfig:
    """A build with the sizes of ``--build``.

    Parameters
    ----------
    config : BuildConfig
        What is changed.
    given : iterable of str
        Pairs ``NAME=NUMBER``.
    but : sequence of str
        Sizes that have an option of their own.

    Raises
    ------
    OptionError
        One is no such pair, or there is no such build.
    """
    kinds: dict[str, type] = {name: int for name in asdict(config) if name not in but}
    changes = numbers("--build", given, kinds)
    for name, value in changes.items():
        if isinstance(getattr(config, name), bool) and value in (0, 1):
            changes[name] = bool(value)
    try:
        return replace(config, **changes)
    except ValueError as error:
        raise OptionError(f"--build: {error}") from None


def made(**sizes: Any) -> BuildConfig:
    """A build by options that are called as its sizes.

    Raises
    ------
    OptionError
        There is no such build.
    """
    try:
        return BuildConfig(**sizes)
    except ValueError as error:
        raise OptionError(f"--{error}") from None


def told_clock(mhz: float | None, own: float) -> float:
    """The clock of ``--clock-mhz``, or the board's own, MHz.

    Raises
    ------
    OptionError
        It is no rate.
    """
    if mhz is None:
        return own
    if not (math.isfinite(mhz) and mhz > 0):
        raise OptionError(f"--clock-mhz: expected a number above 0, was {mhz:g}")
    return mhz


def runs(seeds: Sequence[int], jobs: int, minutes: float) -> None:
    """Check ``--seeds``, ``--jobs`` and ``--minutes``: seeds write files of their own.

    Raises
    ------
    OptionError
        One of them cannot be.
    """
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        shown = " ".join(map(str, seeds))
        raise OptionError(f"--seeds: expected different numbers from 0 on, was {shown}")
    if jobs < 1:
        raise OptionError(f"--jobs: expected 1 or more, was {jobs}")
    if not (math.isfinite(minutes) and minutes > 0):
        raise OptionError(f"--minutes: expected a number above 0, was {minutes:g}")


def installed(name: str) -> str:
    """Version of a package.

    Raises
    ------
    OptionError
        It is not installed.
    """
    try:
        return version(name)
    except PackageNotFoundError:
        raise OptionError(
            f"{name}: expected the package, was not found; `make bitstream` and `make estimate` "
            "install what they need, or: .venv/bin/pip install -e '.[bitstream]'"
        ) from None


def report(path: Path, kinds: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """A ``report.json``, with a build in place of its sizes.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kinds : mapping
        What has to be in it, and of which type.

    Raises
    ------
    OptionError
        It cannot be read, or is none of this version.
    """

    def wrong(was: str) -> OptionError:
        return OptionError(f"{path}: expected a report of this version, was {was}")

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise wrong(error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise wrong("no JSON") from None
    if not isinstance(found, dict):
        raise wrong("no JSON object")
    for name, kind in kinds.items():
        if name not in found:
            raise wrong(f"one without {name}")
        if not isinstance(found[name], kind) or isinstance(found[name], bool):
            raise wrong(f"one whose {name} is {json.dumps(found[name])[:60]}")
    if "build" in kinds:
        known = asdict(BuildConfig())
        if unknown := sorted(found["build"].keys() - known.keys()):
            raise wrong(f"one of a build with {', '.join(unknown)}"[:200])
        if odd := [name for name, value in found["build"].items() if not isinstance(value, int)]:
            raise wrong(f"one of a build whose {odd[0]} is no whole number")
        try:
            found["build"] = BuildConfig(**found["build"])
        except ValueError as error:
            raise wrong(f"one of a build with {error}") from None
    return found
