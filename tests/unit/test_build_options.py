# SPDX-License-Identifier: Apache-2.0
"""What is typed or lies there wrong is one line, told before anything is synthesised or loaded."""

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import bitstream
import build_options
import estimate
import flash
import place_book
import place_gate
import vendor
from placer.aim import Aim

from hdl.boards.board import BOARDS
from hdl.config import BuildConfig
from hdl.top import Core
from hdl.top_axi import AxiTop
from hdl.top_kernel import KernelTop

SIZES = ", ".join(vars(BuildConfig()))
PAIR = f"--build: expected NAME=NUMBER of {SIZES}, was "
BUILDS = [
    ("nonsense=3", f"{PAIR}'nonsense=3'"),
    ("symbols=", f"{PAIR}'symbols='"),
    ("symbols", f"{PAIR}'symbols'"),
    ("symbols=4=4", f"{PAIR}'symbols=4=4'"),
    ("symbols=999", "--build: symbols: expected 1 to 256, was 999"),
]
CLOCKS = [
    *((text, f"--clock-mhz: expected a number above 0, was {text}") for text in ("0", "-5")),
    *((text, f"--clock-mhz: expected a number above 0, was {text}") for text in ("nan", "inf")),
]
BUILD = vars(BuildConfig())
#: Files that are no report, and what they are instead.
DAMAGED = {
    "": "no JSON",
    "{": "no JSON",
    "[]": "no JSON object",
    "{}": "one without ",
    '\xff{"build": 1}': "no JSON",
}
#: Reports whose build is none.
BUILDS_IN_REPORTS = [
    ({"build": []}, "one whose build is []"),
    ({"build": BUILD | {"colour": 1}}, "one of a build with colour"),
    ({"build": BUILD | {"levels": 2}}, "one of a build with levels: expected 3 to 64, was 2"),
    ({"build": BUILD | {"levels": "8"}}, "one of a build whose levels is no whole number"),
]


@pytest.fixture(autouse=True)
def _nothing_is_built(monkeypatch):
    def refuse(*_, **__):
        pytest.fail("something was built")

    for module, name in (
        (bitstream, "source"),
        (bitstream, "synthesise"),
        (place_gate, "netlist"),
        (place_book, "netlist"),
        (estimate, "netlist"),
        (vendor, "elaborate_verilog"),
    ):
        monkeypatch.setattr(module, name, refuse)


def ended(monkeypatch, module, *arguments):
    """Text with which a script ends."""
    monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert isinstance(stopped.value.code, str), stopped.value.code  # status 1, on stderr
    assert "\n" not in stopped.value.code
    return stopped.value.code


@pytest.mark.parametrize(
    ("options", "text"),
    [
        *((["--build", build], text) for build, text in BUILDS),
        *((["--clock-mhz", clock], text) for clock, text in CLOCKS),
        (
            ["--clock-mhz", "33.3333"],
            "--clock-mhz: PLL: expected a rate that 25000000 Hz gives exactly, was 33333300 Hz",
        ),
        (
            ["--clock-mhz", "10"],
            "--clock-mhz: baud: expected 2441 to 2500000 at 10000000 Hz, was 3000000",
        ),
        (["--jobs", "0"], "--jobs: expected 1 or more, was 0"),
        (["--seeds", "1", "1"], "--seeds: expected different numbers from 0 on, was 1 1"),
        (["--minutes", "0"], "--minutes: expected a number above 0, was 0"),
        *(
            (
                ["--aim", aim],
                f"--aim: expected NAME=NUMBER of {', '.join(Aim._fields)}, was {aim!r}",
            )
            for aim in ("nonsense=3", "density", "density=", "rounds=2.5", "pull=nan")
        ),
    ],
)
def test_a_wrong_option_of_a_bitstream_is_one_line(options, text, monkeypatch):
    assert ended(monkeypatch, bitstream, "ulx3s-85f", *options) == text


@pytest.mark.parametrize(
    ("options", "clock_hz", "levels"),
    [
        ([], 75_000_000, 32),
        (["--clock-mhz", "62.5", "--build", "levels=8"], 62_500_000, 8),
        (["--aim", *bitstream.AIM, "--seeds", "3", "0"], 75_000_000, 32),
    ],
)
def test_options_that_are_right_are_taken(options, clock_hz, levels, monkeypatch):
    class Taken(Exception):
        pass

    def take(board):
        assert (board.clock_hz, board.config.levels) == (clock_hz, levels)
        raise Taken

    monkeypatch.setattr(bitstream, "source", take)
    monkeypatch.setattr(build_options, "version", lambda name: "1")
    monkeypatch.setattr(sys, "argv", ["bitstream.py", "ulx3s-85f", *options])
    with pytest.raises(Taken):
        bitstream.main()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        *((["--build", build], text) for build, text in BUILDS),
        *((["--clock-mhz", clock], text) for clock, text in CLOCKS),
    ],
)
def test_a_wrong_option_of_a_vendors_board_is_one_line(options, text, capsys):
    assert vendor.main(["pynq-z2", "--prepare", *options]) == 1
    assert capsys.readouterr().err == f"{text}\n"


@pytest.mark.parametrize(
    ("module", "options", "text"),
    [
        (place_gate, ["--build", "nonsense=3"], f"{PAIR.replace('symbols, ', '')}'nonsense=3'"),
        (place_gate, ["--build", "symbols=4"], f"{PAIR.replace('symbols, ', '')}'symbols=4'"),
        (place_gate, ["--build", "levels=1"], "--build: levels: expected 3 to 64, was 1"),
        (place_gate, ["--symbols", "999"], "--symbols: expected 1 to 256, was 999"),
        (place_gate, ["--jobs", "0"], "--jobs: expected 1 or more, was 0"),
        (place_book, ["--levels", "1"], "--levels: expected 3 to 64, was 1"),
        (
            place_book,
            ["--seeds", "2", "3", "2"],
            "--seeds: expected different numbers from 0 on, was 2 3 2",
        ),
    ],
)
def test_a_wrong_option_of_a_block_is_one_line(module, options, text, monkeypatch):
    assert ended(monkeypatch, module, "ecp5", *options) == text


@pytest.mark.parametrize(("build", "text"), BUILDS)
def test_a_wrong_build_of_an_estimate_is_one_line(build, text, monkeypatch):
    assert ended(monkeypatch, estimate, "u50", "--build", build) == f"u50: {text}"


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (bitstream, ["ulx3s-85f", "--synth-only"]),
        (estimate, ["pynq-z2"]),
        (place_gate, ["xc7"]),
    ],
)
def test_a_missing_yosys_is_named_with_what_installs_it(module, arguments, monkeypatch):
    def absent(name):
        if name == "pyosys":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(build_options, "version", absent)
    told = ended(monkeypatch, module, *arguments)
    assert "pyosys: expected the package, was not found" in told
    assert "make bitstream" in told and "make estimate" in told


@pytest.mark.parametrize(("content", "was"), DAMAGED.items())
def test_a_damaged_report_is_told_by_all_who_read_it(content, was, tmp_path, monkeypatch, capsys):
    board, text = "ulx3s-85f", content.encode("latin-1")
    monkeypatch.setattr(bitstream, "ROOT", tmp_path)
    monkeypatch.setattr(vendor.VendorBoard, "out", tmp_path)
    folder = tmp_path / "bitstreams" / board
    folder.mkdir(parents=True)
    for path in (folder / "report.json", tmp_path / "report.json"):
        path.write_bytes(text)
    (folder / "tickgate.bit").write_bytes(b"")
    said = f"report.json: expected a report of this version, was {was}"
    assert said in ended(monkeypatch, bitstream, board, "--check")
    with pytest.raises(flash.FlashError, match="expected a report of this version, was ") as error:
        flash.bitstream(BOARDS[board], folder)
    assert said in str(error.value)
    assert vendor.main(["pynq-z2", "--check"]) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


@pytest.mark.parametrize(("content", "was"), BUILDS_IN_REPORTS)
def test_a_report_of_another_build_is_told(content, was, tmp_path, monkeypatch, capsys):
    path = tmp_path / "report.json"
    more = {"clock_hz": 75_000_000, "clock_mhz": 62.5, "source_sha256": ""}
    path.write_text(json.dumps(more | content))
    said = f"{path}: expected a report of this version, was {was}"
    with pytest.raises(build_options.OptionError) as error:
        bitstream.belongs(BOARDS["ulx3s-85f"], path)
    assert str(error.value) == said
    monkeypatch.setattr(vendor.VendorBoard, "out", tmp_path)
    assert vendor.main(["pynq-z2", "--check"]) == 1
    assert capsys.readouterr().err == f"{said}\n"


def test_a_sound_report_is_read_with_its_build_and_clock(tmp_path, monkeypatch):
    def source(board):
        return "", f"{board.clock_hz} {board.config.levels}"

    path = tmp_path / "report.json"
    report = {"build": BUILD | {"levels": 8}, "clock_hz": 50_000_000}
    monkeypatch.setattr(bitstream, "source", source)
    for told, status in (("50000000 8", 0), ("75000000 8", 1)):
        path.write_text(json.dumps(report | {"source_sha256": told}))
        assert bitstream.belongs(BOARDS["ulx3s-85f"], path) == status


def test_a_report_with_a_clock_that_cannot_be_is_told(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"build": BUILD, "clock_hz": 7_000_001, "source_sha256": ""}))
    with pytest.raises(build_options.OptionError, match="one whose clock_hz is wrong: PLL: "):
        bitstream.belongs(BOARDS["ulx3s-85f"], path)


def test_a_register_hash_that_is_none_is_told_before_loading(tmp_path):
    (tmp_path / "tickgate.bit").write_bytes(b"")
    report = {"bitstream_sha256": "00", "register_hash": "none"}
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(flash.FlashError, match="was one whose register_hash is 'none'"):
        flash.bitstream(BOARDS["ulx3s-85f"], tmp_path)


def test_without_pyserial_nothing_is_loaded(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "serial", None)
    monkeypatch.setattr(flash, "bitstream", lambda *_: (Path("x"), {"register_hash": "0x0"}))
    monkeypatch.setattr(flash, "the_bridge", lambda *_: None)
    monkeypatch.setattr(flash, "load", lambda *_: pytest.fail("loaded"))
    monkeypatch.setattr(sys, "argv", ["flash.py", "ulx3s-85f", "--port", "/dev/null"])
    assert flash.main() == 1
    assert capsys.readouterr().err == (
        "pyserial: expected the package, was not found; pip install 'tickgate[uart]'\n"
    )


@pytest.mark.parametrize("library", ["libusb-1.0.so.0", "libftdi1.so.2"])
def test_a_library_the_loader_lacks_is_named_with_the_packages(library, tmp_path, monkeypatch):
    tool = tmp_path / "openFPGALoader"
    tool.write_text(
        f"#!/bin/sh\necho '{tool}: error while loading shared libraries: {library}: cannot open "
        "shared object file: No such file or directory' >&2\nexit 127\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(flash.FlashError) as error:
        flash.load(BOARDS["ulx3s-85f"], tmp_path / "tickgate.bit", keep=False)
    assert str(error.value) == (
        f"openFPGALoader: expected {library}, was not found; apt install libftdi1-2 libusb-1.0-0"
    )


@pytest.mark.parametrize(
    ("name", "core", "kind"),
    [
        ("pynq-z2", False, AxiTop),
        ("u50", False, KernelTop),
        ("pynq-z2", True, Core),
    ],
)
def test_what_is_estimated_is_what_the_vendors_tools_are_given(name, core, kind):
    board = vendor.chosen(vendor.VENDOR_BOARDS[name], ["symbols=4"], None)
    found = estimate.top_of(board, core)
    assert type(found) is kind
    assert found.config == board.config


def test_a_cell_of_lut_ram_counts_as_many_luts_as_it_takes():
    none = dict.fromkeys([*estimate.LUTRAMS, "lut"], 0)
    counted = {"lut": 100, "RAM32M": 1, "RAM32M16": 10, "RAM64M8": 100, "RAM32X1D": 1000}
    assert estimate.luts_of(none | counted) == 100 + 4 + 80 + 800 + 2000


@pytest.mark.parametrize(
    ("arguments", "what", "top", "luts", "status"),
    [
        (["pynq-z2"], "top tickgate_axi, without the vendor's DMA", "AxiTop", 37_000, 0),
        (["pynq-z2"], "top tickgate_axi, without the vendor's DMA", "AxiTop", 37_300, 1),
        (["pynq-z2", "--core"], "core, without its buses", "Core", 37_000, 0),
        (["u50"], "top tickgate_kernel, without the vendor's shell", "KernelTop", 37_000, 0),
    ],
)
def test_an_estimate_says_what_is_in_it(
    arguments, what, top, luts, status, tmp_path, monkeypatch, capsys
):
    def synthesise(work, text, command, kinds):
        folder = "core" if top == "Core" else "top"
        assert work == tmp_path / "build" / "estimate" / arguments[0] / folder
        assert text == top
        (work / "top.json").write_text(json.dumps({"modules": {"top": {"cells": {}}}}))
        return dict.fromkeys(kinds.values(), 0) | {"lut": luts}

    monkeypatch.setattr(estimate, "ROOT", tmp_path)
    monkeypatch.setattr(estimate, "netlist", lambda top, name: type(top).__name__)
    monkeypatch.setattr(estimate, "synthesise", synthesise)
    monkeypatch.setattr(build_options, "version", lambda name: "1")
    monkeypatch.setattr(sys, "argv", ["estimate.py", *arguments])
    assert estimate.main() == status
    out = capsys.readouterr().out
    assert out.startswith(f"{arguments[0]}, {what}")
    assert f"LUT, each by itself: {luts:,}" in out
