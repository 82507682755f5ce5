# SPDX-License-Identifier: Apache-2.0
"""Boards: clocks by the data sheet's limits, pins by amaranth-boards, the report by the sources."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from hdl.boards.board import BOARDS
from hdl.boards.ecp5 import Ecp5Top, constraints, pll
from hdl.regs.table import contract_hash
from scripts import bitstream, flash

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(BOARDS)
#: Platform of amaranth-boards, and what its resources call our lamps.
PLATFORMS = {
    "ulx3s-85f": ("ulx3s", "ULX3S_85F_Platform"),
    "ecpix5-85f": ("ecpix5", "ECPIX585Platform"),
}
FTDI = {"idVendor": "0403", "idProduct": "6015", "busnum": "1", "devnum": "7"}


@pytest.mark.parametrize("name", NAMES)
def test_the_pll_gives_the_clock_within_the_limits_of_the_part(name):
    board = BOARDS[name]
    dividers = pll(board.oscillator_hz, board.clock_hz)
    inside = board.oscillator_hz / dividers.input_div * dividers.feedback_div * dividers.output_div
    assert inside / dividers.output_div == board.clock_hz
    assert 400e6 <= inside <= 800e6
    assert 3.125e6 <= board.oscillator_hz / dividers.input_div <= 400e6
    assert all(1 <= divider <= 128 for divider in dividers)


@pytest.mark.parametrize("wanted", [0, 7_000_001, 900_000_000])
def test_a_clock_no_dividers_give_is_refused(wanted):
    with pytest.raises(ValueError, match=f"was {wanted} Hz"):
        pll(25_000_000, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_is_there_once_and_the_library_knows_it(name):
    board = BOARDS[name]
    top = Ecp5Top(board)
    wanted = {
        f"{member}[{bit}]" if len(value) > 1 else member
        for (member,), _, value in top.signature.flatten(top)
        for bit in range(len(value))
    }
    placed = dict(
        line.split('"')[1::2]
        for line in constraints(board).splitlines()
        if line.startswith("LOCATE")
    )
    assert set(placed) == wanted
    assert len(set(placed.values())) == len(placed)
    module, platform = PLATFORMS[name]
    known = getattr(importlib.import_module(f"amaranth_boards.{module}"), platform)
    clock, serial = (
        next(resource for resource in known.resources if resource.name == wanted)
        for wanted in (known.default_clk, "uart")
    )
    pins = {sub.name: sub.ios[0].names for sub in serial.ios}
    assert placed["clock"] == clock.ios[0].names[0]
    assert (placed["rx"], placed["tx"]) == (pins["rx"][0], pins["tx"][0])
    assert serial.ios[0].ios[0].dir  # seen from the part
    assert board.oscillator_hz == clock.clock.frequency
    assert known.device in board.part
    assert board.part.endswith(f"-{known.speed}")


def test_places_that_are_no_file_are_refused_in_one_line(tmp_path, monkeypatch):
    arguments = ["bitstream.py", "ulx3s-85f", "--places", str(tmp_path / "places.json.gz")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match=r"places\.json\.gz: expected places .* was no file"):
        bitstream.main()


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Builds a bitstream of given bytes and clocks, without any tool, and gives the status."""

    def build(bits, clocks, *options):
        def pack(folder, _log, _command):
            (folder / "tickgate.bit").write_bytes(bits)

        def place(folder, *_):
            for seed in clocks:
                (folder / f"seed{seed}.places").write_bytes(b"places")
            return clocks

        monkeypatch.setattr(bitstream, "run", pack)
        monkeypatch.setattr(bitstream.route, "place", place)
        monkeypatch.setattr(sys, "argv", ["bitstream.py", "ulx3s-85f", *map(str, options)])
        return bitstream.main()

    monkeypatch.setattr(bitstream, "ROOT", tmp_path)
    monkeypatch.setattr(bitstream, "source", lambda board: (board.name, "5" * 64))
    monkeypatch.setattr(
        bitstream, "synthesise", lambda *_: dict.fromkeys(bitstream.CELLS.values(), 1)
    )
    monkeypatch.setattr(bitstream, "prepare", lambda folder: folder.mkdir(exist_ok=True))
    monkeypatch.setattr(bitstream, "version", lambda name: "1")
    monkeypatch.setattr(bitstream.build_options, "installed", lambda name: "1")
    return build


def test_a_build_from_kept_places_leaves_a_report_of_the_same_bytes(build, tmp_path, capsys):
    out = tmp_path / "bitstreams" / "ulx3s-85f"
    assert build(b"bits", {1: 74.0, 2: 76.0, 3: None}) == 0
    report = (out / "report.json").read_text()
    assert json.loads(report)["clock_mhz_by_seed"] == {"1": 74.0, "2": 76.0, "3": None}
    again = json.loads(report)["rebuild"].split("'")[1].split()
    again[again.index("--places") + 1] = out / "places.json.gz"

    (out / "tickgate.bit").unlink()
    assert build(b"bits", {2: 76.0}, *again) == 0
    assert "the bytes its report tells of" in capsys.readouterr().out
    assert (out / "tickgate.bit").read_bytes() == b"bits"
    assert (out / "report.json").read_text() == report

    assert build(b"other", {2: 76.0}, *again) == 1
    assert "expected the bytes that" in capsys.readouterr().out
    assert (out / "tickgate.bit").read_bytes() == b"bits"
    assert (out / "report.json").read_text() == report

    # Without kept places it is a build of its own, and of the same sizes.
    assert build(b"other", {2: 76.0}, *again[:2], *again[4:]) == 0
    told = json.loads((out / "report.json").read_text())
    assert told["clock_mhz_by_seed"] == {"2": 76.0}
    assert json.dumps(told["build"]) == json.dumps(json.loads(report)["build"])


@pytest.mark.parametrize("name", NAMES)
def test_the_report_belongs_to_the_bitstream(name):
    folder = ROOT / "bitstreams" / name
    if not folder.exists():
        pytest.skip("no bitstream of this board is in the tree")
    path, report = flash.bitstream(BOARDS[name], folder)
    assert path.stat().st_size > 100_000
    clocks = report["clock_mhz_by_seed"].values()
    assert max(clock or 0 for clock in clocks) * 1e6 >= report["clock_hz"]
    assert len(clocks) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_report_belongs_to_the_sources(name):
    folder = ROOT / "bitstreams" / name
    if not folder.exists():
        pytest.skip("no bitstream of this board is in the tree")
    report = json.loads((folder / "report.json").read_text())
    assert int(report["register_hash"], 16) == contract_hash(), report["rebuild"]
    assert bitstream.belongs(BOARDS[name], folder / "report.json") == 0, report["rebuild"]


def usb_tree(tmp_path, *devices):
    for at, device in enumerate(devices):
        folder = tmp_path / "sys" / f"1-{at}"
        (folder / f"1-{at}:1.0" / "ttyUSB3").mkdir(parents=True)
        for name, text in device.items():
            (folder / name).write_text(text + "\n")
    node = tmp_path / "dev" / "bus" / "usb" / "001" / "007"
    node.parent.mkdir(parents=True)
    node.touch()
    return flash.bridges("0403:6015", tmp_path / "sys", tmp_path / "dev")


def test_the_board_is_found_by_its_bridge(tmp_path):
    found = usb_tree(tmp_path, FTDI, FTDI | {"idProduct": "6001"}, {"idVendor": "0403"})
    assert [bridge.ports for bridge in found] == [(str(tmp_path / "dev" / "ttyUSB3"),)]
    assert flash.the_bridge(BOARDS["ulx3s-85f"], found) == found[0]


@pytest.mark.parametrize("count", [0, 2])
def test_no_board_and_two_boards_are_told_in_one_line(tmp_path, count):
    found = usb_tree(tmp_path, *[FTDI] * count)
    with pytest.raises(flash.FlashError) as error:
        flash.the_bridge(BOARDS["ulx3s-85f"], found)
    text = str(error.value)
    assert text == f"ulx3s-85f: expected one board with USB 0403:6015, found {count or 'none'}"


def test_a_changed_bitstream_is_not_loaded(tmp_path):
    (tmp_path / "tickgate.bit").write_bytes(b"other")
    report = {"bitstream_sha256": "00", "register_hash": "0x00000000"}
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(flash.FlashError, match="expected SHA-256 00"):
        flash.bitstream(BOARDS["ulx3s-85f"], tmp_path)
