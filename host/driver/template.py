# SPDX-License-Identifier: Apache-2.0
"""A commented configuration file, written from the models that read it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from host.driver.config import RunConfig, SymbolConfig, expectation

__all__ = ["template"]

_HEAD = """\
# Configuration of `tickgate run`. Every key that is left out has the value shown here.
# Amounts are decimals in the venue's units; write them as they are, nothing is rounded.
"""


def template() -> str:
    """The file with every key, its meaning, its bounds and its default."""
    tables: list[str] = []
    plain: list[str] = []
    for name, field in RunConfig.model_fields.items():
        if name == "symbols":
            tables.append(_symbol())
        elif isinstance(field.default, BaseModel):
            tables.append(_table(name, field.default))
        else:
            plain.append(_line(name, field, field.default))
    return _HEAD + "\n" + "".join(plain) + "\n" + "\n".join(tables)


def _symbol() -> str:
    fields = SymbolConfig.model_fields
    return (
        "# One table a symbol, in the order of their numbers in the fabric.\n[[symbol]]\n"
        + _line("name", fields["name"], "BTC/USDT:USDT")
        + _line("group", fields["group"], "")
        + _line("book_lot", fields["book_lot"], None)
    )


def _table(name: str, section: BaseModel) -> str:
    head = " ".join((type(section).__doc__ or "").split())
    lines = [
        _line(key, field, getattr(section, key))
        for key, field in type(section).model_fields.items()
    ]
    return f"# {head}\n[{name}]\n" + "".join(lines)


def _line(key: str, field: Any, value: object) -> str:
    kind = expectation(field)
    bounds = "" if kind.startswith(("text", "a list", "true", "one of")) else f"; {kind}"
    comment = f"# {field.description}{bounds}\n"
    if value is None:
        return f"{comment}#{key} = 0.001\n"
    return f"{comment}{key} = {_toml(value)}\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return f'"{value}"'
