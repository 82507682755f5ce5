# SPDX-License-Identifier: Apache-2.0
"""What loses its place after a placement: LUTs far off the way of their signals, nothing else."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from detours import loosen

FIXED = format(6, "032b")


def cell(kind, place, inputs=(), output=None, **more):
    """A placed cell; wires by port, inputs A, B ... in turn."""
    names = "ABCD" if kind == "TRELLIS_COMB" else ["DI"]
    out = "F" if kind == "TRELLIS_COMB" else "Q"
    wires = {name: [wire] for name, wire in zip(names, inputs, strict=False)}
    wires |= {out: [output]} if output else {}
    wires |= {port: [wire] for port, wire in more.get("also", {}).items()}
    return {
        "type": kind,
        "parameters": {"MODE": more.get("mode", "LOGIC")},
        "attributes": {"NEXTPNR_BEL": f"X{place[0]}/Y{place[1]}/SLICEA.K0", "BEL_STRENGTH": "1"},
        "port_directions": {
            port: "output" if port in ("F", "Q", "OFX") else "input" for port in wires
        },
        "connections": wires,
    }


def design(place, **more):
    """A register at X100 that a LUT at `place` and one beside it feed again, with one at X10."""
    return {
        "near": cell("TRELLIS_FF", (100, 40), [4], 1),
        "far": cell("TRELLIS_FF", (10, 40), [9], 2),
        "lut": cell("TRELLIS_COMB", place, [1, 2], 3, **more),
        "last": cell("TRELLIS_COMB", (100, 41), [3], 4),
    }


def loosened(tmp_path, cells):
    (tmp_path / "placed.json").write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    found = loosen(tmp_path / "placed.json", tmp_path / "loose.json")
    written = json.loads((tmp_path / "loose.json").read_text())["modules"]["top"]["cells"]
    for name, one in written.items():
        assert ("NEXTPNR_BEL" in one["attributes"]) == (name not in found)
        assert one["attributes"].get("BEL_STRENGTH", FIXED) == FIXED
        assert one["connections"] == cells[name]["connections"]
    return found


def test_a_lut_at_the_far_end_of_a_loop_is_placed_again(tmp_path):
    assert loosened(tmp_path, design((12, 40))) == ["lut"]


@pytest.mark.parametrize("place", [(100, 42), (80, 40), (74, 40)])
def test_a_lut_near_the_loop_stays(tmp_path, place):
    assert loosened(tmp_path, design(place)) == []


def test_a_long_way_that_no_place_shortens_stays(tmp_path):
    cells = design((12, 40))
    cells["near"]["connections"]["Q"] = [7]  # the loop is open: the way is from X10 to X100
    assert loosened(tmp_path, cells) == []


@pytest.mark.parametrize(
    "more",
    [{"mode": "CCU2"}, {"mode": "DPRAM"}, {"also": {"OFX": 8}}, {"also": {"F1": 8}}],
)
def test_what_is_part_of_something_wider_stays(tmp_path, more):
    assert loosened(tmp_path, design((12, 40), **more)) == []


def test_a_lut_that_sits_before_its_own_register_stays(tmp_path):
    cells = design((12, 40)) | {"own": cell("TRELLIS_FF", (12, 40), [3], 5)}
    assert loosened(tmp_path, cells) == []
