# SPDX-License-Identifier: Apache-2.0
"""What is moved and copied after a placement: logic stays, places are free, paths get shorter."""

import json
import random
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from detours import shorten
from placed import NEAR, Placed, away

CLOCK, OTHER_CLOCK = 90_000, 90_001


def cell(kind, site, inputs=(), output=None, *, names="ABCD", clock=CLOCK, mode="LOGIC", into="M"):
    """A placed cell; wires by port, inputs A, B ... in turn."""
    is_lut = kind == "TRELLIS_COMB"
    wires = {port: [wire] for port, wire in zip(names if is_lut else [into], inputs, strict=False)}
    if not is_lut:
        wires["CLK"] = [clock]
    out = "F" if is_lut else "Q"
    wires[out] = [] if output is None else [output]
    return {
        "type": kind,
        "parameters": {"MODE": mode} if is_lut else {"CLKMUX": "CLK"},
        "attributes": {"NEXTPNR_BEL": site, "BEL_STRENGTH": "1"},
        "port_directions": {p: "output" if p in ("F", "Q") else "input" for p in wires},
        "connections": wires,
    }


def lut(site, inputs, output, **more):
    return cell("TRELLIS_COMB", site, inputs, output, **more)


def register(site, inputs, output=None, **more):
    return cell("TRELLIS_FF", site, inputs, output, **more)


def site(x, y, letter="A", kind="K", number=0):
    return f"X{x}/Y{y}/SLICE{letter}.{kind}{number}"


def saved(folder, cells):
    path = folder / "placed.json"
    path.write_text(json.dumps({"modules": {"top": {"cells": cells, "netnames": {}}}}))
    return path


def after(folder, cells):
    """The design afterwards, and what was said of it."""
    found = shorten(saved(folder, cells), folder / "out.json")
    (module,) = json.loads((folder / "out.json").read_text())["modules"].values()
    return module["cells"], found


def places(cells):
    return {name: one["attributes"]["NEXTPNR_BEL"] for name, one in cells.items()}


def chain(x, y, wire, first, length=7):
    """LUTs one behind the other and a register, all in a tile's column: what comes early there."""
    wires = [wire, *range(first, first + length)]
    cells = {
        f"{first} {n}": lut(site(x, y + n), [wires[n]], wires[n + 1]) for n in range(len(wires) - 1)
    }
    return cells | {f"{first} end": register(site(x, y, "D", "FF"), wires[-1:])}


def loop(far, **more):
    """A register at X100 that a LUT somewhere feeds again, with a value from X10.

    The register is needed where it is.
    """
    return chain(100, 41, 1, 100) | {
        "near": register(site(100, 40, "B", "FF"), [3], 1),
        "far": register(site(10, 40, "A", "FF"), [9], 2),
        "lut": lut(far, [1, 2], 3, **more),
        "beside": lut(site(100, 40, "A"), [4], 5),
        "by the way": lut(site(60, 40, "A"), [6], 7),
    }


def test_a_lut_beside_the_way_is_put_on_it(tmp_path):
    cells, found = after(tmp_path, loop(site(10, 40, "B")))
    # from X10 it crossed the part twice in a clock
    assert found.before_ns == pytest.approx(0.52 + away((100, 40), (10, 40)) * 2 + 0.24)
    assert not cells["lut"]["attributes"]["NEXTPNR_BEL"].startswith("X10/")
    assert found.cells == 1
    assert found.after_ns == pytest.approx(0.52 + away((100, 40), (10, 40)) + 0.24 + NEAR)
    assert len(set(places(cells).values())) == len(cells)
    assert {one["attributes"]["BEL_STRENGTH"] for one in cells.values()} == {format(6, "032b")}


def test_a_fast_design_is_left_alone(tmp_path):
    cells = loop(site(60, 40, "B"))
    cells["far"] = register(site(60, 44, "A", "FF"), [9], 2)
    before = places(cells)
    moved, found = after(tmp_path, cells)
    assert places(moved) == before and found.cells == 0


def test_a_lut_that_serves_both_ends_is_copied_for_the_late_one(tmp_path):
    cells = loop(site(10, 40, "B"))
    cells |= chain(10, 41, 3, 200, 2)  # so it cannot leave
    moved, found = after(tmp_path, cells)
    (copy,) = set(moved) - set(cells)
    assert moved["lut"]["attributes"]["NEXTPNR_BEL"] == site(10, 40, "B")
    assert copy.startswith("lut$copy")
    assert not moved[copy]["attributes"]["NEXTPNR_BEL"].startswith("X10/")
    assert moved["near"]["connections"]["M"] == moved[copy]["connections"]["F"] != [3]
    assert moved["200 0"]["connections"]["A"] == [3]
    assert found.after_ns < found.before_ns


@pytest.mark.parametrize("why", ["carry", "bound", "multiplexer"])
def test_what_a_neighbour_needs_stays(tmp_path, why):
    cells = loop(site(10, 40, "B"), **({"mode": "CCU2"} if why == "carry" else {}))
    if why == "bound":
        cells["in its slice"] = register(site(10, 40, "B", "FF"), [3], into="DI")
    if why == "multiplexer":
        cells["lut"]["connections"]["F1"] = [8]
        cells["lut"]["port_directions"]["F1"] = "input"
    before = places(cells)
    assert places(after(tmp_path, cells)[0])["lut"] == before["lut"]


def test_a_register_goes_only_to_an_empty_slice_of_its_clock(tmp_path):
    def cells(clock):
        return {
            "source": register(site(10, 40, "A", "FF"), [], 1),
            "lut": lut(site(10, 40, "B"), [1], 2),
            "held": register(site(120, 90, "A", "FF"), [2], 3),
            "next": lut(site(60, 40, "C"), [3], 4),
            "end": register(site(60, 40, "A", "FF"), [4], clock=clock),
            "full": lut(site(60, 40, "B"), [5], 6),
            **chain(10, 50, 1, 300),
        }

    moved, _ = after(tmp_path, cells(CLOCK))
    place = moved["held"]["attributes"]["NEXTPNR_BEL"]
    assert not place.startswith("X120/")
    assert re.sub(r"\..*", "", place) not in {
        re.sub(r"\..*", "", other) for name, other in places(moved).items() if name != "held"
    }
    elsewhere = places(after(tmp_path, cells(OTHER_CLOCK))[0])["held"]
    assert not elsewhere.startswith("X60/")


def test_no_tile_with_a_carry_or_lut_ram_is_used(tmp_path):
    cells = loop(site(10, 40, "B"))
    cells["carry"] = lut(site(100, 40, "D"), [20], 21, mode="CCU2")
    place = places(after(tmp_path, cells)[0])["lut"]
    assert place.startswith("X60/")


def test_a_loop_of_logic_is_an_error(tmp_path):
    cells = {"one": lut(site(1, 1), [2], 1), "two": lut(site(1, 2), [1], 2)}
    with pytest.raises(ValueError, match="without combinational loops"):
        Placed(saved(tmp_path, cells))


def made_up(seed):
    """Registers and LUTs at random, some of them bound to a neighbour."""
    rng = random.Random(seed)
    cells, wires, used = {}, [], set()

    def somewhere(kind):
        while True:
            found = site(
                rng.randrange(1, 90, 8), rng.randrange(1, 90, 8), rng.choice("ABCD"), kind,
                rng.randrange(2),
            )  # fmt: skip
            if found not in used:
                used.add(found)
                return found

    for n in range(40):
        cells[f"r{n}"] = register(somewhere("FF"), [], n, clock=rng.choice([CLOCK, OTHER_CLOCK]))
        wires.append(n)
    for n in range(40, 200):
        inputs = rng.sample(wires[-80:], rng.randrange(1, 5))
        mode = "CCU2" if rng.random() < 0.02 else "LOGIC"
        cells[f"l{n}"] = lut(somewhere("K"), inputs, n, mode=mode)
        wires.append(n)
    for n in range(40):
        one = cells[f"r{n}"]
        one["connections"]["DI" if n % 3 == 0 else "M"] = [rng.choice(wires[100:])]
        one["port_directions"] |= {"DI": "input", "M": "input"}
    return cells


@pytest.mark.parametrize("seed", range(4))
def test_logic_stays_and_no_place_is_used_twice(tmp_path, seed):
    cells = made_up(seed)
    moved, found = after(tmp_path, cells)
    assert found.cells > 0 and found.after_ns <= found.before_ns
    assert len(set(places(moved).values())) == len(moved)
    # each copy taken for what it is a copy of, the design is the same
    instead = {
        one["connections"]["F"][0]: cells[name.partition("$copy")[0]]["connections"]["F"][0]
        for name, one in moved.items()
        if "$copy" in name
    }

    def logic(one):
        return {
            port: [instead.get(wire, wire) for wire in wires]
            for port, wires in one["connections"].items()
        }

    for name, one in moved.items():
        was = cells[name.partition("$copy")[0]]
        assert logic(one) == was["connections"] and one["parameters"] == was["parameters"]
    stay = {name for name, one in cells.items() if one["connections"].get("DI")}
    stay |= {name for name, one in cells.items() if one["parameters"].get("MODE") == "CCU2"}
    assert {n: places(moved)[n] for n in stay} == {n: places(cells)[n] for n in stay}
