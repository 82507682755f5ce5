# SPDX-License-Identifier: Apache-2.0
"""The link through PYNQ: its own overlay, registers and DMA driver on a Verilated fabric."""

import copy
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from host.contract.registers import ID, REGISTERS
from host.links import LinkError, open_link
from host.links.batch import Answer
from host.links.pynq import VLNV, tickgate_ip
from sim import hwh
from tests.host.link_records import load, look, views
from tests.host.pynq_overlay import (
    CONFIG,
    SIZES,
    UNKNOWN,
    WHOLE,
    Metadata,
    RuntimeMetadataParser,
    agree,
    devices,
    pynq,
    reasons,
    show,
    write_overlay,
)

pytestmark = pytest.mark.xdist_group("axi")


@pytest.fixture
def zynqs(tmp_path):
    with devices(tmp_path) as zynq:
        yield zynq


@pytest.fixture
def zynq(zynqs):
    return zynqs()


def test_the_overlay_names_every_register_where_the_contract_has_it(tmp_path):
    file = write_overlay(tmp_path, CONFIG).with_suffix(".hwh")
    told = RuntimeMetadataParser(Metadata(input=str(file))).ip_dict["tickgate_0"]["registers"]
    access = {(1, 0): "read-only", (0, 1): "write-only", (1, 1): "read-write"}
    registers = {}
    for name, register in REGISTERS.items():
        kind = access[register.readable, register.writable]
        for entry in range(register.length):
            each = name if register.length == 1 else f"{name}_{entry}"
            bits = 32 if register.bits <= 32 else 64
            registers[each] = (4 * (register.address + entry), bits, kind)
    assert {
        name: (each["address_offset"], each["size"], each["access"]) for name, each in told.items()
    } == registers


def test_the_driver_is_bound_and_registers_have_names_in_an_overlay(zynq):
    assert hwh.VLNV == VLNV
    assert tickgate_ip() is tickgate_ip()
    fabric = pynq.Overlay(str(zynq.bitfile)).tickgate_0
    assert isinstance(fabric, tickgate_ip())
    assert fabric.read_word(0) == ID
    assert int(fabric.register_map.id) == ID
    fabric.register_map.ratio_num = 0x1234
    assert fabric.read_word(REGISTERS["ratio_num"].address) == 0x1234
    fabric.register_map.order_qty = 0xFEDCBA9876543210
    assert int(fabric.register_map.order_qty) == 0xFEDCBA9876543210
    assert fabric.read_word(REGISTERS["order_qty"].address) == 0x76543210


def test_the_board_is_identified(zynq):
    link = zynq.link()
    assert link.identify()[1:] == SIZES
    assert zynq.downloads == 1


def test_a_board_of_another_contract_is_refused(zynq, monkeypatch):
    monkeypatch.setattr("host.links.base.CONFIG_HASH", 0x12345678)
    with pytest.raises(LinkError, match="register config_hash: expected 0x12345678, was 0x"):
        zynq.link().identify()


def test_an_overlay_that_is_loaded_already_is_taken_as_it_is(zynq):
    overlay = pynq.Overlay(str(zynq.bitfile))
    overlay.tickgate_0.write_word(REGISTERS["ratio_num"].address, 77)
    link = zynq.link(overlay=overlay)
    assert (link.read("ratio_num"), zynq.downloads) == (77, 1)
    pynq.Overlay(str(zynq.bitfile))
    with pytest.raises(LinkError, match="expected the loaded overlay, was another"):
        zynq.link(overlay=overlay)


def test_without_download_registers_and_books_stay(zynq):
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    link.close()
    again = zynq.link(download=False)
    assert (zynq.downloads, again.read("report")) == (1, 1)
    assert reasons(again) == WHOLE


CHANGES = {
    "no fabric": (VLNV, "tickgate.io:tickgate:other:1.0", f"expected one IP {VLNV}, was 0 among"),
    "another version": (VLNV, VLNV[:-3] + "2.0", f"expected one IP {VLNV}, was 0 among"),
    "no DMA": ("axi_dma:7.1", "axi_cdma:7.1", "expected one IP xilinx.com:ip:axi_dma:7.1, was 0"),
    "scatter gather": ('sg" VALUE="0"', 'sg" VALUE="1"', "c_include_sg: expected 0, was 1"),
    "no send": ('mm2s" VALUE="1"', 'mm2s" VALUE="0"', "c_include_mm2s: expected 1, was 0"),
    "short": (
        'width" VALUE="26"',
        'width" VALUE="14"',
        "sg_length_width: expected 17 to 26, was 14",
    ),
    "no XML": ("<MODULES>", "<", "expected a bitfile that loads, with its .hwh beside it"),
    "no processor": ("processing_system7:5.5", "axi_gpio:2.0", "expected a bitfile that loads"),
}


@pytest.mark.filterwarnings("ignore:IP tickgate_0 is of type")
@pytest.mark.parametrize("name", CHANGES)
def test_an_overlay_that_does_not_fit_is_one_clear_error(zynq, tmp_path, name):
    old, new, said = CHANGES[name]
    bitfile = write_overlay(tmp_path, CONFIG, "changed")
    text = bitfile.with_suffix(".hwh").read_text()
    assert old in text
    text = text.replace(old, new)
    if name == "no processor":
        text = text.replace('MODTYPE="processing_system7"', 'MODTYPE="axi_gpio"')
    bitfile.with_suffix(".hwh").write_text(text)
    with pytest.raises(LinkError) as caught:
        zynq.link(bitfile=bitfile)
    assert str(caught.value).startswith(f"link pynq: {bitfile}: ")
    assert said in str(caught.value)


def test_an_overlay_with_two_dmas_is_refused(zynq, tmp_path):
    bitfile = write_overlay(tmp_path, CONFIG, "twice")
    file = bitfile.with_suffix(".hwh")
    tree = ElementTree.parse(file)
    for path in (".//MODULES", ".//MEMORYMAP"):
        parent = tree.find(path)
        second = copy.deepcopy(parent.find("*[@INSTANCE='axi_dma_0']"))
        second.set("INSTANCE", "axi_dma_1")
        second.set("FULLNAME", "/axi_dma_1")
        parent.append(second)
    tree.write(file)
    with pytest.raises(LinkError, match=r"expected one IP xilinx.com:ip:axi_dma:7.1, was 2 among"):
        zynq.link(bitfile=bitfile)


def test_a_file_that_is_not_there_is_one_clear_error(zynq, tmp_path):
    with pytest.raises(LinkError, match=r"no_such\.bit: expected a bitfile that loads"):
        zynq.link(bitfile=tmp_path / "no_such.bit")
    (tmp_path / "alone.bit").write_bytes(b"")
    with pytest.raises(LinkError, match=r"alone\.bit: expected a bitfile that loads, with its \.h"):
        zynq.link(bitfile=tmp_path / "alone.bit")
    with pytest.raises(LinkError, match="expected the name of a bitfile, such as"):
        open_link("pynq")


def test_without_pynq_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(LinkError, match=r"link pynq: expected the package pynq, was not found"):
        open_link("pynq", bitfile="any.bit")


def test_without_what_pynq_needs_the_error_names_that(zynq, monkeypatch):
    def overlay(*_, **__):
        raise ModuleNotFoundError("No module named 'parts'", name="parts")

    monkeypatch.setattr(pynq, "Overlay", overlay)
    with pytest.raises(LinkError, match=r"link pynq: expected the package parts, was not found"):
        zynq.link()


# Registers and records.


def test_registers_are_read_and_written_by_name(zynq):
    link = zynq.link()
    link.write("ratio_num", 0x1234)
    link.write("order_qty", 0xFEDCBA9876543210)
    assert link.read("ratio_num") == 0x1234
    assert link.read("order_qty") == 0xFEDCBA9876543210
    assert link.read_word(REGISTERS["order_qty"].address) == 0x76543210
    before = link.read("cycle")
    zynq.board.run(1000)
    assert 1000 <= link.read("cycle") - before < 1200
    assert link.read_array("latency_histogram").shape == (32,)


STALLS = [None, (1, 300, 300, 300), (2, 900, 0, 500), (3, 0, 900, 0), (4, 800, 800, 900)]


@pytest.mark.parametrize("stalls", STALLS)
def test_records_and_registers_give_what_the_reference_gives(zynqs, stalls):
    link = zynqs(stalls=stalls).link()
    agree(link, seed=3 if stalls is None else stalls[0])


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 8193])
def test_any_number_of_records_is_cut_into_batches(zynq, count):
    link = zynq.link()
    out = link.transfer(look(1, 5)[np.zeros(count, int)])
    assert out.shape == (0, 64)
    assert link.read("records_in") == count
    first, *sent = zynq.dma.sent
    assert first == 16  # empty: its answer takes what was said before
    assert sent == [16 + 16 * min(4096, count - at) for at in range(0, count or 1, 4096)]


def many_packets(zynq):
    """Of 4200 records, in two batches, that are answered by 2100."""
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    before = len(zynq.dma.received)
    out = link.transfer(np.concatenate([look(CONFIG.symbols, n) for n in range(700)]))
    assert len(out) == 2100
    assert list(views(out)["update_id"]) == [n for n in range(700) for _ in range(3)]
    return zynq.dma.received[before:]


def test_answers_of_many_packets_are_whole(zynq):
    # 4096 records are answered by 2048 in nine packets, the rest by 52 in one
    assert many_packets(zynq) == [64 * 256] * 8 + [64 * 9] + [64 * 53]


def test_a_dma_that_pauses_is_offered_the_same_until_it_takes_it(tmp_path):
    with devices(tmp_path) as zynqs:
        many_packets(zynqs(stalls=(1, 0, 500, 0)))


def test_the_next_packet_is_asked_for_before_the_last_one_is_read(zynq, monkeypatch):
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    asked, before, add = [], zynq.dma.asked, Answer.add

    def read(answer, packet, **options):
        asked.append(zynq.dma.asked - before)
        add(answer, packet, **options)

    monkeypatch.setattr(Answer, "add", read)
    link.transfer(np.concatenate([look(CONFIG.symbols, n) for n in range(300)]))
    assert asked == [2, 3, 4, 4]


def test_what_comes_back_is_the_callers_own(zynq):
    link = zynq.link()
    show(link)
    first = link.transfer(look(CONFIG.symbols, 1))
    kept = first.copy()
    second = link.transfer(look(CONFIG.symbols, 2))
    assert (first == kept).all()
    assert (first != second).any()
    second[:] = 0
    assert reasons(link) == UNKNOWN


def test_records_of_another_shape_are_refused_and_leave_the_link_as_it_is(zynq):
    link = zynq.link()
    with pytest.raises(ValueError, match="records: expected shape"):
        link.transfer(np.zeros((2, 15), np.uint8))
    assert link.transfer(np.zeros((0, 16), np.uint8)).shape == (0, 64)
