# SPDX-License-Identifier: Apache-2.0
"""Place and route of seeds: what nextpnr is told, and what becomes of one that never ends."""

import gzip
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import bitstream
import place_book
import place_gate

from scripts import global_nets, route
from scripts.placer import place

MHZ = "Max frequency for clock 'clk': 31.25 MHz"
#: Stands in for nextpnr: packs, or notes that it ran, and tells a clock.
SCRIPT = f"""#!/bin/sh
case "$*" in *--pack-only*) echo "$*" >> packs; echo packed > packed.json; exit 0;; esac
echo "$*" >> runs
case "$*" in *seed1.json*) echo 1000 arcs left; exec sleep 600;; esac
echo "{MHZ}"
"""
#: Routed as they are: a reset of all, one of a few blocks, one of too few, and one from a pin.
RESETS = {2: 1000, 3: 500, 4: 20, 5: 300}


@pytest.fixture
def work(tmp_path, monkeypatch):
    nextpnr = tmp_path / "nextpnr"
    nextpnr.write_text(SCRIPT)
    nextpnr.chmod(0o755)
    for name in ("pins.lpf", "netlist.json"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(route, "tool", lambda _name: str(nextpnr))
    monkeypatch.setattr(route, "version", lambda _name: "1")
    monkeypatch.setattr(route.Job, "_place", lambda _self: None)
    return tmp_path


def runs(work, name="runs"):
    return (work / name).read_text().splitlines()


def test_a_router_that_does_not_come_to_an_end_is_ended(work, capsys):
    with pytest.raises(SystemExit, match="expected a routed design, was none of 1 seeds"):
        route.place(work, (), [1], 2, minutes=0.02)
    assert "seed 1: expected a routed design within" in (told := capsys.readouterr().out)
    assert "was at 1000 arcs left" in told


def test_a_seed_without_room_is_none_and_what_was_routed_is_not_routed_again(work):
    for _ in range(2):
        assert route.place(work, (), [1, 2], 2, minutes=0.02) == {1: None, 2: 31.25}
    assert len(runs(work, "packs")) == 1
    assert sum("seed2.json" in run for run in runs(work)) == 1
    before = len(runs(work))
    route.place(work, (), [2], 2, minutes=0.02, aim=["density=0.5"])
    assert len(runs(work)) == before + 1


def test_another_netlist_is_packed_and_routed_again(work):
    route.place(work, (), [2], 1, minutes=1)
    (work / "netlist.json").write_text("{}")
    (work / "nextpnr").write_text(SCRIPT.replace("echo packed", "echo other"))
    route.place(work, (), [2], 1, minutes=1)
    assert len(runs(work, "packs")) == len(runs(work)) == 2


def test_other_places_that_are_given_are_routed_again(work):
    aim = [f"places={work / 'kept'}"]
    for content in ("a", "a", "b"):
        (work / "kept").write_text(content)
        route.place(work, (), [2], 1, minutes=1, aim=aim)
    assert len(runs(work)) == 2


def test_what_the_placer_is_told_is_what_it_takes(work, monkeypatch):
    for names in (bitstream.AIM, place_gate.AIM, place_book.AIM, ["places=a_b", "refine_ns=1"]):
        job = route.Job(work, (), 3, names)
        monkeypatch.setattr(place, "Packed", lambda path: pytest.fail(f"{path}: read"))
        monkeypatch.setattr(sys, "argv", ["place", "none_such.json", *job.placing[1:]])
        with pytest.raises(pytest.fail.Exception, match=r"none_such\.json: read"):
            place.main()
    assert job.placing[-2:] == ["--places=a_b", "--refine-ns=1"]


class Stood:
    """A packed design of one block RAM."""

    names, kinds, cells, number, design = ("ram",), ("DP16KD",), {}, {"ram": 0}, {}

    def __init__(self, path):
        pass


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[100000]", "expected places of this design, was one that is none"),
        ("[100000000000000000000]", "expected places that were kept, was "),
    ],
)
def test_places_that_are_none_are_a_line(tmp_path, monkeypatch, content, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").write_bytes(gzip.compress(content.encode()))
    monkeypatch.setattr(place, "Packed", Stood)
    monkeypatch.setattr(place, "together", lambda design: None)
    monkeypatch.setattr(sys, "argv", ["place", "packed.json", "out.json", "--places", "kept"])
    with pytest.raises(SystemExit, match=f"^placer: kept: {why}"):
        place.main()
    assert not (tmp_path / "out.json").exists()


def test_a_placer_that_fails_ends_the_program(work, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(route, "tool", lambda _name: str(work / "nextpnr"))
    with pytest.raises(SystemExit, match="placer, seed 2: expected status 0, was"):
        route.place(work, (), [2], 1, minutes=1)


def test_a_nextpnr_that_fails_ends_the_program(work):
    route.place(work, (), [2], 1, minutes=1)
    (work / "nextpnr").write_text("#!/bin/sh\necho ERROR: no such pin\nexit 1\n")
    with pytest.raises(SystemExit, match="expected a routed design, was\nERROR: no such pin"):
        route.place(work, (), [1, 2], 1, minutes=1, aim=["rounds=1"])
    (work / "netlist.json").write_text("{}")
    with pytest.raises(SystemExit, match="expected a design that packs, was\nERROR: no such pin"):
        route.place(work, (), [1, 2], 1, minutes=1)


def netlist():
    """Registers behind four resets, the second of which two equal LUTs make."""
    cells, rng = {}, random.Random(5)
    for bit, count in RESETS.items():
        for n in range(count):
            source = 6 if bit == 3 and n < 200 else bit
            cells[f"r{bit}_{n}"] = cell("TRELLIS_FF", {"LSR": [source]}, {"Q": [1000 * bit + n]})
    for name, bit in (("a", 3), ("b", 6)):
        cells[name] = cell("LUT4", {"A": [10], "B": [11]}, {"Z": [bit]}, {"INIT": "1110"})
    cells["other"] = cell("LUT4", {"A": [10], "B": [11]}, {"Z": [12]}, {"INIT": "1000"})
    for bit in (2, 4):
        cells[f"reset{bit}"] = cell("TRELLIS_FF", {"LSR": ["0"]}, {"Q": [bit]})
    names = list(cells)
    rng.shuffle(names)
    nets = {
        "q": {
            "bits": sorted(
                {
                    b
                    for c in cells.values()
                    for p in c["connections"].values()
                    for b in p
                    if isinstance(b, int)
                }
            )
        }
    }
    return {"cells": {name: cells[name] for name in names}, "netnames": nets}


def cell(kind, inputs, outputs, parameters=None):
    ways = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {
        "type": kind,
        "port_directions": ways,
        "connections": inputs | outputs,
        "parameters": parameters or {},
    }


def test_large_resets_become_global_nets_and_registers_keep_theirs():
    module = netlist()
    before = {n: c["connections"].get("LSR") for n, c in module["cells"].items()}
    assert global_nets.promote(module) == [997, 500]
    cells = module["cells"]
    buffers = {
        c["connections"]["CLKO"][0]: c["connections"]["CLKI"][0]
        for c in cells.values()
        if c["type"] == "DCCA"
    }
    assert len(buffers) == 5
    seen = {}
    for name, was in before.items():
        now = cells[name]["connections"].get("LSR")
        if now != was:
            assert buffers[now[0]] == {6: 3}.get(was[0], was[0])
            seen[now[0]] = seen.get(now[0], 0) + 1
    assert sorted(seen.values()) == [1, 1, 1, 500, 997]
    assert all(cells[f"r4_{n}"]["connections"]["LSR"] == [4] for n in range(20))
    assert all(cells[f"r5_{n}"]["connections"]["LSR"] == [5] for n in range(300))
    every = [b for net in module["netnames"].values() for b in net["bits"]]
    assert len(every) == len(set(every))


def test_a_design_of_few_registers_has_none():
    module = netlist()
    module["cells"] = {n: c for n, c in module["cells"].items() if n[:2] not in ("r2", "r3")}
    assert global_nets.promote(module) == []


def test_a_global_net_out_of_reach_of_resets_is_told():
    log = "\n".join(
        f"Info:     routing clock net {net} using global {n}"
        for n, net in enumerate(["$glbnet$clk", "$$taken0_net", "$$global1_net", "$$global0_net"])
    )
    assert global_nets.misplaced(log) == ["$$global1_net on 2", "$$global0_net on 3"]
    assert global_nets.misplaced(log.replace("global 2", "global 4").replace("l 3", "l 14")) == []
