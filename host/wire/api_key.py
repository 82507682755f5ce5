# SPDX-License-Identifier: Apache-2.0
"""The key that opens the venue's binary streams; it is never shown."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

__all__ = ["ENVIRONMENT", "ApiKey", "ApiKeyError"]

#: Variables of the environment: the key itself, or the file that holds it.
ENVIRONMENT = ("TICKGATE_SBE_KEY", "TICKGATE_SBE_KEY_FILE")
_LONGEST = 512


class ApiKeyError(ValueError):
    """There is no usable key; the text never holds any of it."""


class ApiKey:
    """An API key; `str` and `repr` hide it, and it cannot be pickled.

    Parameters
    ----------
    value : str
        The key as the venue shows it, not the private key it belongs to.
    source : str
        Where it comes from, for messages.

    Raises
    ------
    ApiKeyError
        It is empty, too long, holds other than letters and digits, or is a private key.
    """

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        if "PRIVATE KEY" in value:
            raise ApiKeyError(f"{source}: expected an API key, was a private key")
        value = value.strip()
        if not 1 <= len(value) <= _LONGEST or not (value.isascii() and value.isalnum()):
            raise ApiKeyError(
                f"{source}: expected 1 to {_LONGEST} letters and digits, "
                f"was {len(value)} characters"
            )
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """The key itself, for the header that carries it."""
        return self._value

    def __repr__(self) -> str:
        return f"ApiKey(***, {self.source!r})"

    def __reduce__(self) -> str:
        raise TypeError("expected no copy of a key, was asked for one")

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> ApiKey:
        """Take the key from the environment or the file it names.

        Raises
        ------
        ApiKeyError
            Neither is set, both are, or the file is not to be trusted.
        """
        names = [name for name in ENVIRONMENT if environment.get(name)]
        if len(names) != 1:
            raise ApiKeyError(
                f"expected one of {' and '.join(ENVIRONMENT)} to be set, "
                f"was {'both' if names else 'none'}"
            )
        value = environment[names[0]]
        return cls(value, names[0]) if names[0] == ENVIRONMENT[0] else cls.read(value)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ApiKey:
        """Take the key from a file that nobody but its owner, who is us, can read or write.

        Raises
        ------
        ApiKeyError
            It is missing, no plain file, another's, or open to others.
        """
        name = os.fspath(path)
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                state = os.fstat(file.fileno())
                if not stat.S_ISREG(state.st_mode):
                    raise ApiKeyError(f"{name}: expected a plain file, was another kind")
                mode = stat.S_IMODE(state.st_mode)
                if mode & 0o177:
                    raise ApiKeyError(f"{name}: expected mode 0600 or 0400, was {mode:04o}")
                if state.st_uid != os.getuid():
                    raise ApiKeyError(f"{name}: expected a file of our own, was of {state.st_uid}")
                text = file.read(_LONGEST * 8)
        except OSError as error:
            raise ApiKeyError(f"{name}: expected a readable file, was {error.strerror}") from None
        return cls(text, name)
