# SPDX-License-Identifier: Apache-2.0
"""Links to a board, by name; what a link needs is imported when it is opened."""

from importlib import import_module
from typing import Any, NamedTuple

from host.links.base import Identity, Link, LinkError, RegisterError

__all__ = ["LINKS", "Entry", "Identity", "Link", "LinkError", "RegisterError", "open_link"]


class Entry(NamedTuple):
    """Where a link is.

    Parameters
    ----------
    module, name : str
        Its module and class.
    install : str
        What brings the packages it needs.
    place : str
        Name of its option that says which board, empty where there is but one.
    wanted : str
        What that option names, with an example as `open_link` takes it.
    """

    module: str
    name: str
    install: str
    place: str = ""
    wanted: str = ""


#: Every link by its name.
LINKS: dict[str, Entry] = {
    "sim": Entry("host.links.sim", "SimLink", "pip install 'tickgate[sim]'"),
    "uart": Entry(
        "host.links.uart",
        "UartLink",
        "pip install 'tickgate[uart]'",
        "port",
        "a port, such as uart:/dev/ttyUSB0",
    ),
    "pynq": Entry(
        "host.links.pynq",
        "PynqLink",
        "pip install 'tickgate[pynq]'",
        "bitfile",
        "a bitfile, such as pynq:tickgate.bit",
    ),
    "xrt": Entry(
        "host.links.xrt",
        "XrtLink",
        "install XRT, source its setup.sh",
        "xclbin",
        "a file, such as xrt:tickgate.xclbin",
    ),
}


def open_link(name: str, **options: Any) -> Link:
    """Open a link to a board.

    Parameters
    ----------
    name : str
        One of `LINKS`, with a colon and its place behind it where it has one:
        ``uart:/dev/ttyUSB0``, ``pynq:tickgate.bit``, ``xrt:tickgate.xclbin``.
    **options
        Passed to the link; see its class.

    Raises
    ------
    LinkError
        There is no such link, its place is missing, a package it needs is not installed or does
        not load, or it does not open.
    """
    name, _, place = name.partition(":")
    entry = LINKS.get(name)
    if entry is None:
        raise LinkError(f"link: expected one of {', '.join(sorted(LINKS))}, was {name!r}")
    if place and not entry.place:
        raise LinkError(f"link {name}: expected no place behind it, was {place!r}")
    if entry.place and not place and not options:
        raise LinkError(f"link {name}: expected the name of {entry.wanted}, was none")
    if place:
        options = {entry.place: place, **options}
    try:
        link: Link = getattr(import_module(entry.module), entry.name)(**options)
    except ModuleNotFoundError as error:
        raise LinkError(
            f"link {name}: expected the package {error.name}, was not found; {entry.install}"
        ) from error
    except ImportError as error:  # it is there, and a library that it needs is not
        text = " ".join(str(error).split())
        raise LinkError(
            f"link {name}: expected {error.name or entry.module} to load, was: {text}; "
            f"{entry.install}"
        ) from error
    return link
