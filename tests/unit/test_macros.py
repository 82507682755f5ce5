# SPDX-License-Identifier: Apache-2.0
"""Sites of block RAM and multipliers that nextpnr is given."""

import random
import re

import pytest

from scripts import macros

GROUPS, SIZE = 24, 40
KINDS = {"MULT18X18D": ("A0", "P0"), "DP16KD": ("ADA0", "DOA0")}


def netlist(rng):
    """Groups of LUTs with a macro each, in rings, and a few wires from group to group."""
    cells, wires = {}, iter(range(10, 1_000_000))
    out = {(group, at): next(wires) for group in range(GROUPS) for at in range(SIZE)}
    for group in range(GROUPS):
        for at in range(SIZE):
            ends = [(group, at - 1), (group, rng.randrange(SIZE))]
            if at % 2:
                ends.append(((group + 1) % GROUPS, at))
            ports = {f"{'ABC'[n]}": [out[g, a % SIZE]] for n, (g, a) in enumerate(ends)}
            cells[f"lut{group}_{at}"] = cell("LUT4", ports, {"Z": [out[group, at]]})
        kind = list(KINDS)[group % 2]
        way_in, way_out = KINDS[kind]
        inputs = {f"{way_in[:-1]}{n}": [out[group, n]] for n in range(12)}
        cells[f"macro{group}"] = cell(kind, inputs, {way_out: [next(wires)]})
    # A chain of carries, and a register behind a LUT.
    carry = [next(wires) for _ in range(20)]
    for at, wire in enumerate(carry):
        before = {"CIN": [carry[at - 1]]} if at else {}
        cells[f"carry{at}"] = cell("CCU2C", before | {"A0": [out[0, at]]}, {"COUT": [wire]})
    cells["register"] = cell("TRELLIS_FF", {"DI": [out[0, 0]]}, {"Q": [next(wires)]})
    return cells


def cell(kind, inputs, outputs):
    ways = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {
        "type": kind,
        "port_directions": ways,
        "connections": inputs | outputs,
        "attributes": {},
    }


def place_of(site):
    return [int(n) for n in re.match(r"X(\d+)/Y(\d+)/", site).groups()]


@pytest.fixture(scope="module")
def found():
    cells = netlist(random.Random(3))
    return cells, macros.sites(cells, "85F")


def test_each_macro_has_a_site_of_its_kind_of_its_own(found):
    cells, sites = found
    assert sorted(sites) == sorted(name for name in cells if name.startswith("macro"))
    assert len(set(sites.values())) == len(sites)
    for name, site in sites.items():
        assert site in macros.PART_SITES["85F"][cells[name]["type"]]


def test_groups_beside_each_other_have_their_macros_nearer_than_by_chance(found):
    _, sites = found

    def away(order):
        places = [place_of(sites[f"macro{group}"]) for group in order]
        return sum(
            abs(one[0] - two[0]) + abs(one[1] - two[1])
            for one, two in zip(places, places[1:] + places[:1], strict=True)
        )

    by_chance = []
    for seed in range(20):
        order = list(range(GROUPS))
        random.Random(seed).shuffle(order)
        by_chance.append(away(order))
    assert away(range(GROUPS)) < min(by_chance)


def test_the_same_netlist_gives_the_same_sites(found):
    assert macros.sites(found[0], "85F") == found[1]
    assert macros.sites(found[0], "85F", seed=2) != found[1]


def test_a_part_has_as_many_sites_as_its_data_sheet_says():
    counts = {kind: len(set(each)) for kind, each in macros.PART_SITES["85F"].items()}
    assert counts == {"MULT18X18D": 156, "DP16KD": 208}


def test_a_netlist_without_macros_needs_none():
    cells = {name: each for name, each in netlist(random.Random(1)).items() if "macro" not in name}
    assert macros.sites(cells, "85F") == {}
