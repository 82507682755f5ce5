# SPDX-License-Identifier: Apache-2.0
"""Links to a board, by name; what a link needs is imported when it is opened."""

from importlib import import_module
from typing import Any, NamedTuple

from host.links.base import Identity, Link, LinkError, RegisterError

__all__ = ["LINKS", "Entry", "Identity", "Link", "LinkError", "RegisterError", "open_link"]


class Entry(NamedTuple):
    """Where a link is: its module and class, and the pip extra that brings what it needs."""

    module: str
    name: str
    extra: str


#: Every link by its name.
LINKS: dict[str, Entry] = {
    "sim": Entry("host.links.sim", "SimLink", "sim"),
    "uart": Entry("host.links.uart", "UartLink", "uart"),
}


def open_link(name: str, **options: Any) -> Link:
    """Open a link to a board.

    Parameters
    ----------
    name : str
        One of `LINKS`.
    **options
        Passed to the link; see its class.

    Raises
    ------
    LinkError
        There is no such link, a package it needs is not installed, or it does not open.
    """
    entry = LINKS.get(name)
    if entry is None:
        raise LinkError(f"link: expected one of {', '.join(sorted(LINKS))}, was {name!r}")
    try:
        link: Link = getattr(import_module(entry.module), entry.name)(**options)
    except ModuleNotFoundError as error:
        raise LinkError(
            f"link {name}: expected the package {error.name}, was not found; "
            f"pip install 'tickgate[{entry.extra}]'"
        ) from error
    return link
