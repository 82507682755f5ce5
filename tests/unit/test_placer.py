# SPDX-License-Identifier: Apache-2.0
"""The placer: nextpnr takes its places, the logic is that of nextpnr's own, times agree."""

import gzip
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.placer.groups import together
from scripts.placer.packed import LUT, REGISTER, Packed, largest, mode
from scripts.placer.place import Aim, main, place
from scripts.placer.written import written
from tests.unit.placer_design import nextpnr, synthesise

pytestmark = pytest.mark.xdist_group("placer")
AIM = Aim(spread_ns=4, refine_ns=4, rounds=20)
ROUTE = ("--placer", "heap", "--router", "router1")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placer")
    synthesise(folder)
    nextpnr(folder, "--json", "netlist.json", "--pack-only", "--write", "packed.json")
    return folder


@pytest.fixture(scope="module")
def design(work):
    return Packed(work / "packed.json")


@pytest.fixture(scope="module")
def placed(design):
    told = []
    return place(design, together(design), 1, AIM, told.append), told


@pytest.fixture(scope="module")
def routed(work, design, placed):
    """What nextpnr says of our places, and what it makes of the same netlist by itself."""
    written(design, placed[0].numbers, work / "ours.json")
    ours = nextpnr(work, "--json", "ours.json", *ROUTE, "--textcfg", "ours.config",
                   "--write", "ours_routed.json")  # fmt: skip
    own = nextpnr(work, "--json", "netlist.json", *ROUTE, "--textcfg", "own.config",
                  "--write", "own_routed.json")  # fmt: skip
    return ours, own


def tiles(path):
    """Settings by column and row."""
    found, tile = {}, {}
    for line in path.read_text().splitlines():
        if line.startswith(".tile"):
            at = re.match(r"\.tile (?:CIB_|MIB_)?R(\d+)C(\d+)", line)
            tile = found.setdefault((int(at[2]), int(at[1])), {}) if at else {}
        elif line.startswith(("enum", "word")):
            _, key, value = line.split(" ", 2)
            tile[key] = value
    return found


def function(bits):
    """A LUT's table with its inputs in whatever order makes it least: routing may exchange them."""
    table = int(bits, 2)
    return min(
        sum((table >> sum((at >> to & 1) << n for n, to in enumerate(order)) & 1) << at
            for at in range(16))
        for order in itertools.permutations(range(4))
    )  # fmt: skip


def cells(work, name):
    """What the bitstream's text says of each LUT and register."""
    module = largest(json.loads((work / f"{name}_routed.json").read_text()))
    by_tile, found = tiles(work / f"{name}.config"), {}
    for cell, content in module["cells"].items():
        site = content["attributes"].get("NEXTPNR_BEL", "")
        at = re.fullmatch(r"X(\d+)/Y(\d+)/SLICE([A-D])\.(COMB|K|FF)([01])", site)
        if at is None or cell.endswith("$half"):
            continue
        tile, part, n = by_tile[int(at[1]), int(at[2])], f"SLICE{at[3]}", at[5]
        if at[4] == "FF":
            names = (f"REG{n}.SD", f"REG{n}.REGSET", f"REG{n}.LSRMODE", "GSR", "CEMUX")
            found[cell] = tuple(tile.get(f"{part}.{each}") for each in names)
        else:
            table = function(tile.get(f"{part}.K{n}.INIT", "1" * 16))
            found[cell] = tile.get(f"{part}.MODE"), table, tile.get(f"{part}.CCU2.INJECT1_{n}")
    return found


def test_every_sort_of_cell_is_in_the_design(design):
    groups = together(design)
    assert set(groups.kind.tolist()) == {0, 1, 2, 3, 4}
    modes = {mode(cell) for cell in design.cells.values() if cell["type"] == LUT}
    assert modes == {"CCU2", "DPRAM", "LOGIC", "RAMW_BLOCK"}


def test_nextpnr_takes_the_places(design, placed, routed, work):
    places = placed[0].numbers
    assert (places[[kind in (LUT, REGISTER) for kind in design.kinds]] >= 0).all()

    def sites(name, attribute):
        module = largest(json.loads((work / name).read_text()))
        every = {cell: one["attributes"].get(attribute) for cell, one in module["cells"].items()}
        return {cell: site for cell, site in every.items() if site}

    given = sites("ours.json", "BEL")
    assert len(set(given.values())) == len(given) > 900
    taken = sites("ours_routed.json", "NEXTPNR_BEL")
    assert {cell: taken.get(cell) for cell in given} == given


def test_the_logic_is_the_same(routed, work):
    ours, own = cells(work, "ours"), cells(work, "own")
    # nextpnr names cells of constants anew
    tied = {name for name in {*ours, *own} if "PACKER" in name or name.startswith("tied_")}
    assert {name: ours[name] for name in ours if name not in tied} == {
        name: own[name] for name in own if name not in tied
    }
    luts = [one for one in ours.values() if len(one) == 3]
    assert len(luts) > 600 and len({table for _, table, _ in luts}) > 40
    assert {use for use, _, _ in luts} == {"LOGIC", "CCU2", "DPRAM", "RAMW"}


def test_the_model_of_times_agrees_with_nextpnr(placed, routed):
    (mhz,) = set(re.findall(r"Max frequency for clock .*: ([\d.]+) MHz", routed[0])[-1:])
    assert placed[0].ns == pytest.approx(1000 / float(mhz), rel=0.15)
    assert placed[1][-1].endswith(f"{placed[0].ns:.2f} ns")


def test_the_same_seed_gives_the_same_places(design, placed):
    again = place(design, together(design), 1, AIM, lambda _: None)
    assert (again.numbers == placed[0].numbers).all()
    other = place(design, together(design), 2, AIM, lambda _: None)
    assert (other.numbers != placed[0].numbers).any()


def test_places_that_were_kept_give_the_same_file(work, placed, design, monkeypatch, capsys):
    monkeypatch.chdir(work)
    written(design, placed[0].numbers, work / "first.json")
    options = ["--spread-ns=4", "--refine-ns=4", "--rounds=20", "--keep", "kept"]
    monkeypatch.setattr(sys, "argv", ["place", "packed.json", "second.json", *options])
    assert main() == 0
    assert f"slowest path: {placed[0].ns:.2f} ns" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["place", "packed.json", "third.json", "--places", "kept"])
    assert main() == 0
    files = [(work / f"{name}.json").read_bytes() for name in ("first", "second", "third")]
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[1,2]", "expected places that were kept, was Not a gzipped file"),
        (b"", "expected places that were kept"),
        (gzip.compress(b'{"a": 1}'), "expected places that were kept"),
        (gzip.compress(b"[1,2]"), r"expected \d+ places, was 2"),
    ],
    ids=["no gzip", "empty", "no list", "too few"],  # gzip's bytes hold the time
)
def test_places_of_another_design_are_refused(work, monkeypatch, content, why):
    monkeypatch.chdir(work)
    (work / "other").write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["place", "packed.json", "no.json", "--places", "other"])
    with pytest.raises(SystemExit, match=why):
        main()
    assert not (work / "no.json").exists()


def test_late_paths_are_drawn_together(design, placed):
    blind = place(design, together(design), 1, Aim(1e4, 1e4, rounds=20), lambda _: None)
    assert placed[0].ns < blind.ns


def test_a_file_that_is_no_design_is_a_line(work):
    (work / "bad.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.placer.place", "bad.json", "out.json"],
        cwd=work, env={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "bad.json: expected a packed design" in done.stderr
