# SPDX-License-Identifier: Apache-2.0
"""Every field has a bound; every error names file, key and what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from host.driver.config import RunConfig, SymbolConfig, load_config
from host.driver.template import template
from host.settings import SettingError


def models(model: type[BaseModel] = RunConfig, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field with its dotted key."""
    for name, field in model.model_fields.items():
        key = f"{path}{field.alias or name}"
        inner = next(
            (
                kind
                for kind in (field.annotation, *get_args(field.annotation))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ),
            None,
        )
        if inner is not None:
            yield from models(inner, f"{key}.")
        else:
            yield key, field


def wrong_values(field: Any) -> list[str]:
    """Values as TOML that a field's own bounds forbid."""
    marks = {
        name: getattr(mark, name)
        for mark in field.metadata
        for name in ("ge", "gt", "le", "lt", "pattern", "min_length", "max_length")
        if getattr(mark, name, None) is not None
    }
    kinds = [field.annotation, *get_args(field.annotation)]
    if field.annotation is bool:
        return ["1", '"yes"']
    if any(kind in kinds for kind in (int, Decimal)):
        low, high = marks.get("ge", marks.get("gt")), marks.get("le", marks.get("lt"))
        assert low is not None and high is not None, "no bound"
        below = Decimal(low) - 1 if "ge" in marks else Decimal(low)
        above = Decimal(high) + 1 if "le" in marks else Decimal(high)
        return [str(below), str(above), '"x"', "true"]
    if str(field.annotation).startswith("tuple"):
        assert "max_length" in marks
        return ['["' + "x" * 5000 + '"]', "3"]
    if "pattern" in marks:
        return ['"?!"', "3"]
    if field.annotation is str:
        assert "max_length" in marks, "no bound"
        return ['"' + "x" * (marks["max_length"] + 1) + '"', "3"]
    return ['"none of these"', "3"]  # a choice


@pytest.mark.parametrize("key", [key for key, _ in models()])
def test_every_field_has_bounds_and_an_error_that_names_it(key: str, tmp_path: Path) -> None:
    field = dict(models())[key]
    assert field.description, "expected a description"
    *tables, name = key.split(".")
    file = tmp_path / "c.toml"
    for value in wrong_values(field):
        symbol = "[[symbol]]\n" + ("" if key == "symbol.name" else 'name = "A/B:B"\n')
        if tables == ["symbol"]:
            text = f"{symbol}{name} = {value}\n"
        elif tables:
            text = f"{symbol}[{tables[0]}]\n{name} = {value}\n"
        else:
            text = f"{name} = {value}\n{symbol}"
        file.write_text(text)
        with pytest.raises(SettingError) as refused:
            load_config(file)
        said = str(refused.value)
        shown = key.replace("symbol.", "symbol.0.")
        assert said.startswith(f"{file}: {shown}"), said
        assert "expected" in said and "was" in said, said


@pytest.mark.parametrize("table", ["", "link", "symbol", "strategy", "risk", "paper", "stop"])
def test_an_unknown_key_is_an_error_that_lists_the_known_ones(table: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    head = "unknown = 1\n" if not table else ""
    body = "unknown = 1\n" if table == "symbol" else ""
    tail = f"[{table}]\nunknown = 1\n" if table and table != "symbol" else ""
    file.write_text(f'{head}[[symbol]]\nname = "A/B:B"\n{body}{tail}')
    with pytest.raises(SettingError, match=r"unknown: expected one of .*, was an unknown key"):
        load_config(file)


def test_the_template_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(template())
    found = load_config(file)
    assert found == RunConfig.model_validate({"symbol": [{"name": "BTC/USDT:USDT"}]})
    for key, _ in models():
        assert key.rpartition(".")[2] in file.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[symbol]]\nname = "A/B"\n[[symbol]]\nname = "A/B"', "symbol: expected each name once"),
        ('[[symbol]]\nname = "A/B"\n[link]\nname = "uart"', "link.port: expected the name"),
        ('[[symbol]]\nname = "A/B"\n[link]\nname = "xrt"', "link.file: expected the file"),
        ('mode = "paper"\nvenue = "okx"\n[[symbol]]\nname = "A/B"', "venue: expected binance or"),
        ("", "symbol: expected"),
        ("= 1", "expected TOML, was"),
    ],
)
def test_what_does_not_fit_together_is_named(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(SettingError) as refused:
        load_config(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)


def test_decimals_are_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[[symbol]]\nname = "A/B:B"\n[risk]\nrisk_share = 0.012345\n')
    assert load_config(file).risk.risk_share == Decimal("0.012345")
    assert SymbolConfig(name="A/B").group == ""
