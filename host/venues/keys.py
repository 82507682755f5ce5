# SPDX-License-Identifier: Apache-2.0
"""Keys of an exchange: from the environment or a file of one's own, never into a log."""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:  # the extra `exchange` brings it for Python 3.10
    import tomli as tomllib

__all__ = ["Credentials", "KeyFileError", "Redaction", "load_credentials"]

_FIELDS = ("key", "secret", "password")


class KeyFileError(Exception):
    """Keys that cannot be read, or a file that others may read."""


@dataclass(frozen=True)
class Credentials:
    """Keys; neither `repr` nor `str` shows them.

    Attributes
    ----------
    key, secret, password : str
        As the venue names them; the password is empty where there is none.
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)
    password: str = field(default="", repr=False)

    def redact(self, text: str) -> str:
        """Text without any of the keys."""
        for value in (self.key, self.secret, self.password):
            if len(value) >= 4:
                text = text.replace(value, "[redacted]")
        return text


class Redaction(logging.Filter):
    """Takes keys out of every log record, arguments and exception texts included.

    Parameters
    ----------
    credentials : Credentials
        What must not be seen.
    """

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is always logged."""
        record.msg = self._credentials.redact(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            record.exc_text = self._credentials.redact(f"{type(error).__name__}: {error}")
            record.exc_info = None
        return True


def load_credentials(
    name: str, environment: Mapping[str, str], file: Path | None = None
) -> Credentials:
    """Keys of a venue.

    Parameters
    ----------
    name : str
        ccxt's name of the venue: ``TICKGATE_BINANCE_KEY``, ``..._SECRET`` and ``..._PASSWORD``
        are looked for, then the table of that name in the file.
    environment : mapping
        Variables.
    file : Path or None
        TOML with ``[venue]``, ``key``, ``secret`` and maybe ``password``; only its owner may read
        or write it (mode 0600 or less).

    Raises
    ------
    KeyFileError
        There are none, or the file is wrong. The text shows no key.
    """
    prefix = f"TICKGATE_{name.upper()}_"
    found = {part: environment.get(prefix + part.upper(), "") for part in _FIELDS}
    if not found["key"] and file is not None:
        found = _from_file(name, file)
    if not found["key"] or not found["secret"]:
        where = f" or [{name}] in {file}" if file is not None else ""
        raise KeyFileError(f"expected {prefix}KEY and {prefix}SECRET{where}, was none")
    return Credentials(found["key"], found["secret"], found["password"])


def _from_file(name: str, file: Path) -> dict[str, str]:
    try:
        with file.open("rb") as opened:
            state = os.fstat(opened.fileno())
            if stat.S_IMODE(state.st_mode) & 0o077:
                mode = stat.S_IMODE(state.st_mode)
                raise KeyFileError(f"{file}: expected the mode 0600, was {mode:04o}")
            tables = tomllib.load(opened)
    except OSError as error:
        raise KeyFileError(f"{file}: expected a readable file, was {error.strerror}") from None
    except ValueError:
        raise KeyFileError(f"{file}: expected TOML, was something else") from None
    table = tables.get(name, {})
    unknown = sorted(set(table) - set(_FIELDS)) if isinstance(table, dict) else ["no table"]
    if unknown:
        raise KeyFileError(f"{file}: [{name}]: expected key, secret and password, was {unknown}")
    wrong = [part for part, value in table.items() if not isinstance(value, str)]
    if wrong:
        raise KeyFileError(f"{file}: [{name}]: expected text as {wrong[0]}, was something else")
    return {part: table.get(part, "") for part in _FIELDS}
