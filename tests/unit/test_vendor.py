# SPDX-License-Identifier: Apache-2.0
"""Boards that need their vendor's tools: what is prepared for them, without those tools."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hdl.config import BuildConfig
from hdl.link.axi.control import ARGUMENTS
from hdl.pipeline import LAMPS
from hdl.regs.register import Access
from hdl.regs.table import TABLE, addresses
from hdl.top_axi import AxiTop
from hdl.top_kernel import KernelTop
from host.links.xrt import KERNEL
from scripts import bitstream, vendor
from sim.build import BuildError
from tests.unit.vivado_standin import Stop, Vivado, overlay

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ROOT / "boards"
SCRIPTS = sorted(BOARDS.rglob("*.tcl"))
PYNQ, U50 = vendor.VENDOR_BOARDS["pynq-z2"], vendor.VENDOR_BOARDS["u50"]
#: Names on the board, ports, pins: the constraints of PYNQ's own base overlay have the same.
PINS = {
    "kill_pin": "D19",  # BTN0
    "lamps[0]": "R14",  # LD0
    "lamps[1]": "P14",
    "lamps[2]": "N16",
    "lamps[3]": "M14",
}
NOT_WHOLE = re.compile(r"\\.", re.S)


def members(top):
    """Ports of a component."""
    return top(BuildConfig()).metadata.as_json()["interface"]["members"]


def stand_in(config, design):
    """In place of an elaboration, which takes minutes."""
    return {"interface": {"members": members(KernelTop)}}, f"// {design.top} {config}\n"


@pytest.fixture(autouse=True)
def _folders(tmp_path, monkeypatch):
    """Nothing is written into the tree, and nothing large is elaborated."""
    monkeypatch.setattr(vendor, "_BUILD", tmp_path / "vendor")
    monkeypatch.setattr(vendor, "elaborate_verilog", stand_in)
    monkeypatch.setattr(
        vendor.VendorBoard, "out", property(lambda board: tmp_path / "out" / board.name)
    )


def declared(board):
    """Offset, bits, access and bus of each register that is declared."""
    line = re.compile(r"^declare_register (\w+) (0x\w+) (\d+) (\S+) \{[^{}]*\} ?(\w*)$", re.M)
    rows = line.findall(vendor.registers_tcl(board))
    assert len({name for name, *_ in rows}) == len(rows)
    return {name: (int(at, 16), int(bits), access, bus) for name, at, bits, access, bus in rows}


def test_every_register_is_declared_once_where_the_table_has_it():
    access = {Access.RO: "read-only", Access.RW: "read-write", Access.WO: "write-only"}
    expected = {}
    for register, word in addresses():
        for entry in range(register.length):
            name = register.name if register.length == 1 else f"{register.name}_{entry}"
            bits = 64 if register.bits > 32 else 32
            expected[name] = (4 * (word + entry), bits, access[register.access], "")
    assert declared(PYNQ) == expected
    assert len(expected) == sum(register.length for register in TABLE)


def test_a_kernel_declares_its_arguments_and_the_buffers_memory_port():
    found = declared(U50)
    assert [found.pop(name)[0] for name in ("CTRL", "GIER", "IP_IER", "IP_ISR")] == [0, 4, 8, 12]
    assert found == {
        name: (at, bits, "read-write", "m_axi_gmem" if bits == 64 else "")
        for name, at, bits in ARGUMENTS
    }


def test_a_text_that_tcl_would_read_otherwise_is_refused():
    with pytest.raises(ValueError, match="register id: expected a text without braces"):
        vendor._declared("id", 0, 32, "read-only", "a } brace")


def test_the_kernels_description_is_that_of_the_hardware_and_of_the_host():
    ports_of = members(KernelTop)
    text = vendor.kernel_xml("tickgate_kernel", {"interface": {"members": ports_of}})
    kernel = ElementTree.fromstring(text.encode()).find("kernel")
    assert kernel.get("name") == U50.design.top == KERNEL
    assert kernel.get("hwControlProtocol") == "ap_ctrl_chain"
    ports = {port.get("name"): port for port in kernel.iter("port")}
    assert int(ports["m_axi_gmem"].get("dataWidth")) == ports_of["m_axi_gmem_rdata"]["width"]
    assert int(ports["s_axi_control"].get("dataWidth")) == ports_of["s_axi_rdata"]["width"]
    assert int(ports["s_axi_control"].get("range"), 16) == 1 << ports_of["s_axi_araddr"]["width"]
    assert ports_of["m_axi_gmem_araddr"]["width"] == ports_of["m_axi_gmem_awaddr"]["width"] == 64
    arguments = [
        (arg.get("name"), int(arg.get("offset"), 16), 8 * int(arg.get("size"), 16))
        for arg in kernel.iter("arg")
    ]
    assert arguments == list(ARGUMENTS)
    # Ids in order, buffers behind the memory port and scalars behind the control port.
    kinds = [(a.get("id"), a.get("addressQualifier"), a.get("port")) for a in kernel.iter("arg")]
    buffer, scalar = ("1", "m_axi_gmem"), ("0", "s_axi_control")
    expected = [buffer, buffer, scalar, scalar]
    assert kinds == [(str(number), *kind) for number, kind in enumerate(expected)]


def test_the_links_arguments_are_those_of_the_connectivity():
    text = (BOARDS / "alveo" / "connectivity.cfg").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    buffers = [name for name, _, bits in ARGUMENTS if bits == 64]
    assert lines == [
        "[connectivity]",
        f"nk={KERNEL}:1:{KERNEL}_1",
        *(f"sp={KERNEL}_1.{name}:HBM[0]" for name in buffers),
        f"slr={KERNEL}_1:SLR0",
    ]


def test_the_pins_are_those_of_the_board_and_every_one_is_a_port():
    text = (BOARDS / "pynq-z2" / "pins.xdc").read_text()
    line = re.compile(
        r"^set_property -dict \{PACKAGE_PIN (\w+) IOSTANDARD LVCMOS33\} "
        r"\[get_ports (?:\{([^}]+)\}|(\w+))\]$",
        re.M,
    )
    placed = {braced or plain: pin for pin, braced, plain in line.findall(text)}
    assert placed == PINS
    widths = {name: port["width"] for name, port in members(AxiTop).items()}
    bits = {
        f"{name}[{bit}]" if widths[name] > 1 else name
        for name in {port.partition("[")[0] for port in placed}
        for bit in range(widths[name])
    }
    assert bits == set(placed)
    assert list(LAMPS.members) == ["alive", "valid", "armed", "killed"]
    # Another board with the same part has the same button and lamps on the same balls.
    known = pytest.importorskip("amaranth_boards.arty_z7").ArtyZ720Platform.resources
    names = {(r.name, r.number): r.ios[0].names[0] for r in known if r.name in ("led", "button")}
    assert placed["kill_pin"] == names["button", 0]
    assert [placed[f"lamps[{bit}]"] for bit in range(4)] == [names["led", bit] for bit in range(4)]


def complete(text):
    """Whether every brace, bracket and quote of a Tcl text is closed."""
    try:
        import tkinter
    except ImportError:
        bare = NOT_WHOLE.sub("", text)
        return all(bare.count(a) == bare.count(b) for a, b in ("{}", "[]")) and (
            bare.count('"') % 2 == 0
        )
    interpreter = tkinter.Tcl()
    interpreter.setvar("text", text)
    return bool(int(interpreter.eval("info complete $text")))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_tcl_script_is_whole_and_refers_to_files_there_are(path):
    text = path.read_text()
    assert complete(text)
    assert not complete(text + "{")
    board = PYNQ if path.parent.name == "pynq-z2" else U50
    prepared = set(vendor._texts(board))
    made = {*board.made, "timing.rpt", "route.rpt", "numbers.txt", "tickgate.bd"}
    beside = {file.name for file in path.parent.iterdir()}
    named = re.findall(r"(?<![\w./*])\w+\.(?:v|tcl|xml|xdc|xo|bit|hwh|rpt|txt|cfg|bd)\b", text)
    assert named
    assert set(named) - prepared - made - beside == set()


@pytest.mark.parametrize("board", vendor.VENDOR_BOARDS.values(), ids=lambda board: board.name)
def test_every_generated_tcl_is_whole_and_every_script_is_there(board):
    assert complete(vendor.registers_tcl(board))
    assert [name for name in board.scripts if not (ROOT / name).is_file()] == []


@pytest.fixture
def prepared():
    vendor.prepare(PYNQ)
    return PYNQ.folder


def test_the_overlay_is_wired_as_the_host_expects_it(prepared):
    vivado = overlay(prepared)
    cells = {rest[0]: options["-vlnv"] for options, rest in vivado.told("create_bd_cell")}
    assert cells["tickgate_0"] == "tickgate.io:tickgate:tickgate_axi:1.0"
    assert cells["axi_dma_0"].startswith("xilinx.com:ip:axi_dma:")
    ends = [end for _, rest in vivado.told("connect_bd_intf_net") for end in rest]
    assert len(ends) == len(set(ends))
    pins = [end for end in ends if "/" in end]
    pins += [rest[1] for _, rest in vivado.told("connect_bd_net")]
    assert {pin.partition("/")[0] for pin in pins} <= set(cells)
    own = {pin.partition("/")[2] for pin in pins if pin.startswith("tickgate_0/")}
    assert own == {"s_axi", "s_axis", "m_axis", "aclk", "aresetn", "kill_pin", "lamps"}
    assert {name.rpartition("_")[0] or name for name in members(AxiTop)} - {"kill"} <= own
    ports = {rest[0]: options for options, rest in vivado.told("create_bd_port")}
    assert ports["lamps"] == {"-dir": "O", "-from": "3", "-to": "0"}
    placed = {
        rest[0].partition("/")[0]: (int(o["-offset"], 16), int(o["-range"], 16))
        for o, rest in vivado.told("assign_bd_address")
        if o["-target_address_space"] == "ps7_0/Data"
    }
    assert placed == {"tickgate_0": (0x43C00000, 0x10000), "axi_dma_0": (0x40400000, 0x10000)}
    assert vivado.properties["config.c_sg_length_width"] == "26"
    assert vivado.properties["config.c_include_sg"] == "0"
    registers = [rest[0] for _, rest in vivado.told("ipx::add_register")]
    assert registers == list(declared(PYNQ))


def test_the_overlays_files_and_numbers_are_what_the_report_takes(prepared):
    overlay(prepared)
    path = vendor.finish(PYNQ, "00" * 32)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "report.json",
        "tickgate.bit",
        "tickgate.hwh",
    ]
    report = json.loads((path.parent / "report.json").read_text())
    assert (report["setup_slack_ns"], report["hold_slack_ns"]) == (0.412, 0.031)
    assert report["fabric_clock_mhz"] == 62.5
    assert report["vivado"] == vendor.VERSION
    assert report["used"] == {"lut": 30123, "ff": 20456, "bram36": 61.5, "dsp": 85}
    assert report["build"] == vendor.asdict(PYNQ.config)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"release": "2023.2"}, "Vivado: expected version 2022.1, was 2023.2"),
        ({"interfaces": ("aclk", "s_axi", "s_axis")}, "interface m_axis: expected 1, was 0"),
        ({"config.pcw_iopll_ctrl_fbdiv": "32"}, "multiplier of the IO PLL: expected 20, was 32"),
        (
            {"config.pcw_act_fpga0_peripheral_freqmhz": "66.7"},
            "FCLK0: expected 62.5 MHz, was 66.7",
        ),
        ({"config.c_s_axis_s2mm_tdata_width": "32"}, "tdata_width: expected 64, was 32"),
        ({"progress": "35%"}, "progress of synth_1: expected 100%, was 35%"),
        ({"stats.wns": "-0.001"}, "worst setup slack: expected 0 ns or more, was -0.001"),
        ({"stats.whs": "-0.2"}, "worst hold slack: expected 0 ns or more, was -0.2"),
        ({"stats.wns": ""}, "worst setup slack: expected 0 ns or more, was nothing"),
        ({"stats.tpws": "-0.5"}, "worst pulse slack: expected 0 ns or more, was -0.5"),
        ({"route": (99, 0)}, "routed nets: expected 100, was 99"),
        ({"route": (100, 1)}, "nets with routing errors: expected 0, was 1"),
    ],
)
def test_an_overlay_that_is_not_well_is_refused_by_name_and_not_written(prepared, changes, text):
    with pytest.raises(Stop) as stopped:
        overlay(prepared, **changes)
    assert str(stopped.value).startswith("ERROR: ")
    assert text in str(stopped.value)
    assert not (prepared / "tickgate.bit").exists()


def test_another_release_is_taken_where_the_user_says_so(prepared, monkeypatch):
    monkeypatch.setenv("TICKGATE_ANY_VIVADO", "1")
    overlay(prepared, release="2023.2")
    assert (prepared / "tickgate.bit").exists()


def test_the_kernel_is_packaged_under_the_names_that_its_description_has():
    vendor.prepare(U50)
    vivado = Vivado(U50.folder, ("ap_clk", "ap_rst_n", "interrupt", "s_axi", "m_axi_gmem"))
    vivado.source(BOARDS / "alveo" / "package_kernel.tcl", U50.folder, "xcu50-fsvh2104-2-e")
    text = (U50.folder / "kernel.xml").read_text()
    assert {"s_axi_control", "m_axi_gmem"} <= vivado.interfaces
    clocked = {
        o["-busif"] for o, _ in vivado.told("ipx::associate_bus_interfaces") if "-busif" in o
    }
    assert clocked == {
        port.get("name") for port in ElementTree.fromstring(text.encode()).iter("port")
    }
    name = ":".join(vivado.properties[part] for part in ("vendor", "library"))
    assert f'vlnv="{name}:tickgate_kernel:1.0"' in text
    loose = {n for n in members(KernelTop) if not n.startswith(("s_axi_", "m_axi_gmem_"))}
    assert loose == {"ap_clk", "ap_rst_n", "interrupt"}  # v++ takes no pin outside an interface
    vendor.check_xo(U50.folder / "tickgate_kernel.xo", text)
    with pytest.raises(vendor.VendorError, match=r"tickgate_kernel.xo: expected a kernel"):
        vendor.check_xo(U50.folder / "tickgate_kernel.xo", text.replace("chain", "hs"))


def clocks(mhz, kind="DATA"):
    clock = {"m_freq_Mhz": str(mhz), "m_type": kind, "m_name": "clock"}
    return json.dumps({"clock_freq_topology": {"m_count": "1", "m_clock_freq": [clock]}})


def test_a_kernel_that_v_plus_plus_has_slowed_down_is_refused():
    assert vendor.reached_mhz(clocks(200), 200.0) == 200
    with pytest.raises(vendor.VendorError, match="kernel clock: expected 200 MHz, was 187"):
        vendor.reached_mhz(clocks(187), 200.0)
    with pytest.raises(vendor.VendorError, match="expected a clock of type DATA"):
        vendor.reached_mhz(clocks(200, "SYSTEM"), 200.0)


def test_a_utilization_report_of_another_kind_is_refused():
    with pytest.raises(vendor.VendorError, match="expected a row Slice LUTs, was none"):
        vendor.used("| CLB LUTs | 1 | 0 |")


@pytest.mark.parametrize("name", sorted(vendor.VENDOR_BOARDS))
def test_without_the_tools_one_line_names_them_and_what_is_prepared(name, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    board = vendor.VENDOR_BOARDS[name]
    assert vendor.main([name]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"{name}: expected {', '.join(board.tools)} of ")
    assert vendor.VERSION in line
    assert str(board.folder) in line
    for file in ("registers.tcl", f"{board.design.top}.v"):
        assert file in line
        assert (board.folder / file).is_file()
    digest = (board.folder / "source.sha256").read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", digest)


def test_preparing_alone_is_well(capsys):
    assert vendor.main(["u55c", "--prepare"]) == 0
    assert "kernel.xml" in capsys.readouterr().out


def test_make_bitstream_reaches_these_boards_and_the_others_as_before(monkeypatch, capsys):
    handed = []
    monkeypatch.setattr(bitstream.vendor, "main", lambda: handed.append(sys.argv[1:]) or 1)
    monkeypatch.setattr(sys, "argv", ["bitstream.py", "pynq-z2", "--prepare"])
    assert bitstream.main() == 1
    assert handed == [["pynq-z2", "--prepare"]]
    monkeypatch.setattr(sys, "argv", ["bitstream.py", "nosuch"])
    with pytest.raises(SystemExit) as stopped:
        bitstream.main()
    assert stopped.value.code == 2
    text = capsys.readouterr().err
    for name in [*vendor.VENDOR_BOARDS, *bitstream.BOARDS]:
        assert f"'{name}'" in text
    monkeypatch.setattr(sys, "argv", ["bitstream.py", "ulx3s-85f", "--check"])
    monkeypatch.setattr(bitstream, "belongs", lambda board, path: int(board.name != "ulx3s-85f"))
    assert bitstream.main() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["pynq-z2", "--build", "levels=1"], "--build: levels: expected 3 to 64, was 1\n"),
        (["pynq-z2", "--check"], "report.json: expected a report, was none\n"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments, text, capsys):
    assert vendor.main(arguments) == 1
    _, err = capsys.readouterr()
    assert err.endswith(text)
    assert err.count("\n") == 1


def test_a_missing_amaranth_is_told_in_one_line(monkeypatch, capsys):
    def refuse(config, design):
        raise BuildError("amaranth: expected the Python package, was not found")

    monkeypatch.setattr(vendor, "elaborate_verilog", refuse)
    assert vendor.main(["pynq-z2"]) == 1
    assert capsys.readouterr().err == "amaranth: expected the Python package, was not found\n"


def tools(folder, **texts):
    """Programs of these names that do what the shell text says, on PATH before all others."""
    folder.mkdir()
    for name, text in texts.items():
        path = folder / name.replace("vpp", "v++")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_a_tool_that_fails_is_told_by_its_first_error(tmp_path, monkeypatch, capsys):
    text = (
        "echo starting; echo 'ERROR: [Synth 8-439] no module'; echo '    while executing'; exit 1"
    )
    monkeypatch.setenv("PATH", tools(tmp_path / "bin", vivado=text))
    assert vendor.main(["pynq-z2"]) == 1
    _, err = capsys.readouterr()
    assert err == "pynq-z2: expected status 0, was 1: ERROR: [Synth 8-439] no module\n"
    assert not PYNQ.out.exists()


def test_a_tool_that_makes_nothing_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", tools(tmp_path / "bin", vivado="exit 0"))
    PYNQ.folder.mkdir(parents=True)
    (PYNQ.folder / "tickgate.bit").write_bytes(b"of a run before")
    assert vendor.main(["pynq-z2"]) == 1
    assert "expected tickgate.bit, tickgate.hwh" in capsys.readouterr().err


def card_tools(folder, mhz=200, release=vendor.VERSION):
    """Stand-ins for the tools of a card, which note how they are called."""
    pack = (
        "import zipfile; zipfile.ZipFile('tickgate_kernel.xo', 'w')"
        ".write('kernel.xml', 'tickgate_kernel/kernel.xml')"
    )
    link = f"echo 'v++ v{release} (64-bit)'; echo \"$@\" >> called; echo x > tickgate.xclbin"
    return tools(
        folder,
        vivado=f'echo "$@" >> called; "{sys.executable}" -c "{pack}"',
        vpp=link,
        xclbinutil=f"echo \"$@\" >> called; echo '{clocks(mhz)}' > clocks.json",
    )


@pytest.mark.parametrize(
    ("card", "platform"),
    [
        ("u50", "xilinx_u50_gen3x16_xdma_5_202210_1"),
        ("u55c", "xilinx_u55c_gen3x16_xdma_3_202210_1"),
    ],
)
def test_a_card_is_linked_for_its_platform_and_clock(card, platform, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", card_tools(tmp_path / "bin"))
    monkeypatch.delenv("TICKGATE_PLATFORM", raising=False)
    assert vendor.main([card]) == 0
    board = vendor.VENDOR_BOARDS[card]
    calls = (board.folder / "called").read_text()
    assert f"--platform {platform} " in calls
    assert "--kernel_frequency 200 " in calls
    assert f"--config {BOARDS / 'alveo' / 'connectivity.cfg'} " in calls
    assert f"xc{card}-fsvh" in calls
    report = json.loads((board.out / "report.json").read_text())
    assert report["kernel_clock_mhz"] == 200
    assert report["build"]["symbols"] == 256


def test_another_platform_and_clock_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", card_tools(tmp_path / "bin", mhz=150))
    monkeypatch.setenv("TICKGATE_PLATFORM", "mine")
    assert vendor.main(["u50", "--clock-mhz", "150"]) == 0
    calls = (U50.folder / "called").read_text()
    assert "--platform mine " in calls
    assert "--kernel_frequency 150 " in calls


def test_a_card_is_refused_where_the_clock_or_the_release_is_another(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", card_tools(tmp_path / "slow", mhz=180))
    assert vendor.main(["u50"]) == 1
    assert capsys.readouterr().err == "kernel clock: expected 200 MHz, was 180\n"
    monkeypatch.setenv("PATH", card_tools(tmp_path / "other", release="2023.2"))
    assert vendor.main(["u50"]) == 1
    assert "v++: expected version 2022.1, was v++ v2023.2 (64-bit)" in capsys.readouterr().err


def test_the_hash_changes_with_all_that_decides_the_result(monkeypatch):
    texts = vendor._texts(PYNQ)
    digests = [vendor._digest(PYNQ, texts), vendor._digest(U50, vendor._texts(U50))]
    digests.append(vendor._digest(PYNQ, texts | {"registers.tcl": "other"}))
    digests.append(vendor._digest(vendor.chosen(PYNQ, (), 50.0), texts))
    digests.append(vendor._digest(PYNQ, vendor._texts(vendor.chosen(PYNQ, ["levels=8"], None))))
    scripts = vendor.replace(PYNQ, scripts=PYNQ.scripts[:1])
    digests.append(vendor._digest(scripts, texts))
    assert len(set(digests)) == len(digests)
    assert vendor._digest(PYNQ, texts) == digests[0]


def test_a_report_belongs_to_its_sources_until_they_change(prepared, monkeypatch):
    overlay(prepared)
    digest, _ = vendor.prepare(PYNQ)
    vendor.finish(PYNQ, digest)
    assert vendor.main(["pynq-z2", "--check"]) == 0
    monkeypatch.setattr(vendor, "elaborate_verilog", lambda config, design: ({}, "// other\n"))
    assert vendor.main(["pynq-z2", "--check"]) == 1


def test_build_sh_is_a_shell_script_that_can_be_run():
    path = BOARDS / "alveo" / "build.sh"
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    run = subprocess.run([str(path), "u99", "."], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "ERROR: card: expected u50 or u55c, was u99\n")


def test_the_notebook_is_one_and_its_cells_compile():
    book = json.loads((BOARDS / "pynq-z2" / "tickgate.ipynb").read_text())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert isinstance(book["metadata"], dict)
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    code = ""
    for cell in book["cells"]:
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            keys |= {"execution_count", "outputs"}
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
            compile("".join(cell["source"]), cell["id"], "exec")
            code += "".join(cell["source"]) + "\n"
        assert set(cell) == keys
    assert 'open_link("pynq", bitfile=' in code
    # Whatever it takes from this package is there.
    names = re.findall(r"^(?:from (?:host|sim)\S* import .*|import sim)$", code, re.M)
    assert names
    exec("\n".join(names), {})
