# SPDX-License-Identifier: Apache-2.0
"""What a token asks of a row, decoded before it gets there."""

from amaranth.hdl import Module, Value
from amaranth.lib import data

from hdl.records import InKind

__all__ = ["decode", "operation_layout"]


def operation_layout() -> data.StructLayout:
    """One bit each; all clear for a token that is not about levels, and for no token."""
    return data.StructLayout(
        {
            "update": 1,  # LEVEL from the tape
            "load": 1,  # LEVEL of a snapshot
            "zero": 1,  # its quantity is 0
            "clear": 1,
            "begin": 1,  # REFILL_BEGIN
            "end": 1,  # REFILL_END
            "whole": 1,  # with WHOLE
            "n": 4,  # levels that a sum is made of, for any of these
        }
    )


def decode(
    m: Module, operation: data.View, valid: Value, token: data.View, levels_n: Value
) -> None:
    """Drive `operation` from a token and the register `levels_n`, combinationally."""
    level = valid & (token.kind == InKind.LEVEL)
    m.d.comb += [
        operation.update.eq(level & ~token.refill),
        operation.load.eq(level & token.refill),
        operation.zero.eq(token.value == 0),
        operation.clear.eq(valid & (token.kind == InKind.CLEAR)),
        operation.begin.eq(valid & (token.kind == InKind.REFILL_BEGIN)),
        operation.end.eq(valid & (token.kind == InKind.REFILL_END)),
        operation.whole.eq(token.whole),
        operation.n.eq(levels_n),
    ]
