# SPDX-License-Identifier: Apache-2.0
"""Registers a replay is given by name: ``--set NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from host.contract.records import ORDER_LIMIT_IOC
from host.contract.registers import REGISTERS
from host.settings import SettingError, Write

__all__ = ["NamedRegisters"]

_STRATEGY, _LIMIT = "strategy_", "limit_"
#: Registers that hold for all symbols and that no other option writes.
_GLOBAL = (
    *("trade_window", "risk_window", "max_gross", "max_net", "max_open_orders", "max_losses"),
    *("max_day_loss", "max_window_loss", "max_drawdown", "loss_window", "loss_kill"),
)
_NOT_SETTINGS = {"limit_commit", "limit_select", "strategy_commit"}
#: They select the checks of a symbol that are made at all.
_SELECTS = "limit_waive"
#: Other limits that an option writes, which `limit_waive` does not concern.
_ALWAYS = {"limit_permit", "limit_mode", _SELECTS}
_ACTIVE, _BOTH_SIDES = 1, 3


def _is_known(name: str) -> bool:
    """Whether a register is a setting of signals, strategy or gate."""
    if name in _GLOBAL:
        return True
    register = REGISTERS.get(name)
    return (
        register is not None
        and register.writable
        and register.length == 1
        and name.startswith((_STRATEGY, _LIMIT))
        and name not in _NOT_SETTINGS
    )


@dataclass(frozen=True)
class NamedRegisters:
    """Settings of signals, strategy and gate, the same for every symbol.

    Parameters
    ----------
    values : dict
        Value by name of the register.
    """

    values: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> NamedRegisters:
        """Read what the user wrote.

        Parameters
        ----------
        texts : sequence of str
            Each ``NAME=VALUE``; a value is a whole number, decimal or with 0x, 0b or 0o.

        Raises
        ------
        SettingError
            No such setting, given twice, a value that is none or does not fit, or a limit whose
            check would not be made.
        """
        values: dict[str, int] = {}
        for text in texts:
            name, equals, written = (part.strip() for part in text.partition("="))
            if not equals:
                raise SettingError(f"--set: expected NAME=VALUE, was {text!r}")
            if not _is_known(name):
                raise SettingError(
                    f"--set {name}: expected a register that begins with {_STRATEGY} or {_LIMIT}, "
                    f"or one of {', '.join(_GLOBAL)} (docs/registers.md), was none of them"
                )
            if name in values:
                raise SettingError(f"--set {name}: expected once, was given twice")
            most = (1 << REGISTERS[name].bits) - 1
            try:
                value = int(written, 0)
            except ValueError:
                value = -1
            if not 0 <= value <= most:
                raise SettingError(f"--set {name}: expected 0 to {most}, was {written!r}")
            values[name] = value
        waived = next((n for n in values if n.startswith(_LIMIT) and n not in _ALWAYS), None)
        if waived and _SELECTS not in values:
            raise SettingError(
                f"--set {waived}: expected {_SELECTS} as well, was none; a replay makes the checks "
                "of its own options only, and that register says which others are left out"
            )
        return cls(values)

    def global_writes(self) -> list[Write]:
        """What holds for all symbols."""
        return [Write(name, value) for name, value in self.values.items() if name in _GLOBAL]

    def limit_writes(self, writes: Sequence[Write]) -> list[Write]:
        """Limits of a symbol, those that are named in place of the others.

        Parameters
        ----------
        writes : sequence of Write
            Limits, and the commit at their end.
        """
        return self._in_place(_LIMIT, writes)

    def strategy_writes(
        self, symbol: int, order_lots: int, writes: Sequence[Write] = ()
    ) -> list[Write]:
        """Strategy of a symbol and its commit; nothing where none is named or given.

        What is neither named nor given is 0, but for this: the settings are active, both sides may
        be entered, an order is of `order_lots`, and entries and exits are limit orders,
        immediate or cancel.

        Parameters
        ----------
        symbol : int
            Symbol number.
        order_lots : int
            Quantity of an entry, where none is named.
        writes : sequence of Write
            A strategy that is changed, such as a model's, with the commit at its end.
        """
        if not writes and not any(name.startswith(_STRATEGY) for name in self.values):
            return []
        own = {
            "active": _ACTIVE,
            "sides": _BOTH_SIDES,
            "qty_most": order_lots,
            "entry_order": ORDER_LIMIT_IOC,
            "exit_order": ORDER_LIMIT_IOC,
        }
        default = [
            *(Write(f"{_STRATEGY}{name}", value) for name, value in own.items()),
            Write("strategy_commit", symbol),
        ]
        return self._in_place(_STRATEGY, writes or default)

    def _in_place(self, prefix: str, writes: Sequence[Write]) -> list[Write]:
        """Named registers instead of those of the same name, the others before the commit."""
        named = {name: value for name, value in self.values.items() if name.startswith(prefix)}
        *before, commit = writes
        kept = [write for write in before if write.register not in named]
        return [*kept, *(Write(name, value) for name, value in named.items()), commit]
