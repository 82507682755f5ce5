# SPDX-License-Identifier: Apache-2.0
"""ITCH messages written field by field, for tests of a few of them."""

from struct import pack

NS = 34_200_000_123_456
MICROSECONDS = 34_200_000_123


def head(kind, locate, ns=NS):
    return kind.encode() + pack(">HH", locate, 0) + ns.to_bytes(6, "big")


def add(ref, side, shares, price, locate=1, kind="A"):
    """A or F."""
    body = head(kind, locate) + pack(">Q", ref) + side.encode() + pack(">I", shares)
    return body + b"ABCD    " + pack(">I", price) + (b"MPID" if kind == "F" else b"")


def execute(ref, shares, locate=1):
    return head("E", locate) + pack(">QIQ", ref, shares, 7)


def execute_at(ref, shares, price, printable="Y", locate=1):
    return head("C", locate) + pack(">QIQ", ref, shares, 7) + printable.encode() + pack(">I", price)


def cancel(ref, shares, locate=1):
    return head("X", locate) + pack(">QI", ref, shares)


def delete(ref, locate=1):
    return head("D", locate) + pack(">Q", ref)


def replace(ref, new, shares, price, locate=1):
    return head("U", locate) + pack(">QQII", ref, new, shares, price)


def trade(side, shares, price, locate=1):
    body = head("P", locate) + bytes(8) + side.encode() + pack(">I", shares)
    return body + b"ABCD    " + pack(">IQ", price, 9)


def action(state, locate=1):
    return head("H", locate) + b"ABCD    " + state.encode() + b"     "


def system(code):
    return head("S", 0) + code.encode()
