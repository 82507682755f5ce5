# SPDX-License-Identifier: Apache-2.0
"""LUTs that are two in one in the estimate of a Xilinx part."""

import itertools
import random

import pytest

from scripts.lut_pairs import pairs


def netlist(luts, more=None):
    """LUTs by name, with the wires they take; each drives a wire of its own."""
    cells = dict(more or {})
    for n, (name, wires) in enumerate(luts.items()):
        ports = {f"I{at}": [wire] for at, wire in enumerate(wires)}
        cells[name] = {"type": f"LUT{len(wires)}", "connections": ports | {"O": [1000 + n]}}
    return cells


@pytest.mark.parametrize(
    ("luts", "found"),
    [
        ({"a": [1, 2, 3], "b": [3, 4, 5]}, 1),  # five between them
        ({"a": [1, 2, 3], "b": [3, 4, 5, 6]}, 0),  # six
        ({"a": [1, 2], "b": [3, 4]}, 0),  # nothing in common
        ({"a": [1, 2, 3, 4, 5, 6], "b": [1, 2]}, 0),  # one has six by itself
        ({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, 1),
        ({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4], "c": [1, 5], "d": [1, 6]}, 2),
        ({"a": [1, "0"], "b": [1, "1"]}, 1),  # a constant is no input
    ],
)
def test_two_luts_are_one_where_their_inputs_allow_it(luts, found):
    assert pairs(netlist(luts)) == found


@pytest.mark.parametrize(("kind", "port"), [("CARRY4", "S"), ("MUXF7", "I0"), ("MUXF8", "I1")])
def test_none_that_leads_into_a_carry_or_a_wide_multiplexer(kind, port):
    luts = {"a": [1, 2], "b": [1, 2]}
    beside = {"x": {"type": kind, "connections": {port: [1001]}}}
    assert pairs(netlist(luts, beside)) == 0
    beside["x"]["connections"] = {"CI": [1001]}
    assert pairs(netlist(luts, beside)) == 1


def most(luts):
    """Pairs of a best matching, by trying all."""
    names = list(luts)
    if len(names) < 2:
        return 0
    first, rest = names[0], names[1:]
    best = most({name: luts[name] for name in rest})
    for other in rest:
        one, two = set(luts[first]), set(luts[other])
        if one & two and len(one | two) <= 5:
            left = {name: luts[name] for name in rest if name != other}
            best = max(best, 1 + most(left))
    return best


def test_never_more_than_there_are_and_at_least_half():
    rng = random.Random(4)
    for _, size in itertools.product(range(40), (4, 7, 9)):
        luts = {f"l{n}": rng.sample(range(9), rng.randrange(1, 6)) for n in range(size)}
        assert (best := most(luts)) >= pairs(netlist(luts)) >= best / 2
