# SPDX-License-Identifier: Apache-2.0
"""Counters of the serial link; the board tells them in each STATUS frame."""

from amaranth.lib import data

from hdl.regs.register import Register

__all__ = ["COUNTERS", "REGISTERS", "pulses"]

#: Name and what is counted.
COUNTERS: tuple[tuple[str, str], ...] = (
    ("uart_bad", "frames cut, too long, or with a wrong check or a broken byte"),
    ("uart_malformed", "frames whose check holds but whose kind or length is unknown"),
    ("uart_lost", "frames missing by their numbers, bad and malformed ones included"),
    ("uart_invalidated", "times all symbols were made invalid"),
)

#: There are none: the link is set up before registers can be reached.
REGISTERS: tuple[Register, ...] = ()


def pulses(*names: str) -> data.StructLayout:
    """One pulse per counter of a block."""
    if unknown := set(names) - {name for name, _ in COUNTERS}:
        raise ValueError(f"counters: expected names of hdl.link.uart, was {sorted(unknown)}")
    return data.StructLayout({name: 1 for name in names})
