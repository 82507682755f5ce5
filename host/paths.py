# SPDX-License-Identifier: Apache-2.0
"""Names of files on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import typer

__all__ = ["fault", "name_of", "path_of"]


def name_of(text: str) -> str:
    """A name as it was typed; an empty one would be taken for the current folder.

    Raises
    ------
    typer.BadParameter
        It is empty.
    """
    if not text:
        raise typer.BadParameter("expected the name of a file or folder, was ''")
    return text


def path_of(text: str | os.PathLike[str]) -> Path:
    """The path of `name_of`.

    Raises
    ------
    typer.BadParameter
        It is empty.
    """
    return Path(name_of(os.fspath(text)))


def fault(error: OSError) -> str:
    """What the system would not do, in one line with the file's name where there is one."""
    if error.filename is None or not error.strerror:
        return str(error)
    return f"{error.filename}: expected a file to be read or written, was {error.strerror}"
