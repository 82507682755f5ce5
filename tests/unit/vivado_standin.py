# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Vivado: its commands note what they are told, and refuse what it has not."""

import re
import zipfile
from pathlib import Path

import pytest

from scripts import vendor

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ROOT / "boards"
ROUTED = """\
   # of logical nets.......................... :         120 :
       # of routable nets..................... :         100 :
           # of fully routed nets............. :         {} :
       # of nets with routing errors.......... :           {} :
"""
UTILIZATION = """\
+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| Slice LUTs                 | 30123 |     0 |          0 |     53200 | 56.62 |
|   LUT as Logic             | 29000 |     0 |          0 |     53200 | 54.51 |
| Slice Registers            | 20456 |     0 |          0 |    106400 | 19.23 |
| Block RAM Tile    | 61.5 |     0 |          0 |       140 | 43.93 |
| DSPs           |   85 |     0 |          0 |       220 | 38.64 |
"""


#: Commands of Vivado and their options; those with a colon take a word.
COMMANDS = {
    "add_files": "-norecurse -fileset:",
    "assign_bd_address": "-offset: -range: -target_address_space: -force",
    "close_project": "",
    "connect_bd_intf_net": "",
    "connect_bd_net": "",
    "create_bd_cell": "-type: -vlnv:",
    "create_bd_design": "",
    "create_bd_intf_port": "-mode: -vlnv:",
    "create_bd_port": "-dir: -from: -to:",
    "create_project": "-force -part:",
    "current_fileset": "",
    "current_project": "",
    "generate_target": "",
    "get_bd_addr_segs": "",
    "get_bd_addr_spaces": "",
    "get_bd_cells": "",
    "get_bd_intf_pins": "",
    "get_bd_intf_ports": "",
    "get_bd_pins": "",
    "get_bd_ports": "",
    "get_files": "",
    "get_property": "-quiet",
    "get_runs": "",
    "ipx::add_address_block": "",
    "ipx::add_bus_parameter": "-quiet",
    "ipx::add_memory_map": "",
    "ipx::add_register": "",
    "ipx::add_register_parameter": "",
    "ipx::associate_bus_interfaces": "-busif: -clock: -reset:",
    "ipx::check_integrity": "-kernel",
    "ipx::create_xgui_files": "",
    "ipx::current_core": "",
    "ipx::get_address_blocks": "-quiet -of_objects:",
    "ipx::get_bus_interfaces": "-quiet -of_objects:",
    "ipx::get_bus_parameters": "-quiet -of_objects:",
    "ipx::get_memory_maps": "-quiet -of_objects:",
    "ipx::infer_bus_interface": "",
    "ipx::package_project": "-root_dir: -vendor: -library: -taxonomy: -import_files "
    "-set_current: -force",
    "ipx::save_core": "",
    "ipx::update_checksums": "",
    "launch_runs": "-jobs:",
    "make_wrapper": "-files: -top",
    "open_run": "",
    "package_xo": "-force -xo_path: -kernel_name: -ip_directory: -kernel_xml:",
    "report_route_status": "-file: -return_string",
    "report_timing_summary": "-delay_type: -max_paths: -file:",
    "report_utilization": "-file:",
    "save_bd_design": "",
    "set_property": "-dict:",
    "update_compile_order": "-fileset:",
    "update_ip_catalog": "-rebuild",
    "validate_bd_design": "",
    "version": "-short",
    "wait_on_run": "",
    "write_bitstream": "-force",
}


class Stop(Exception):
    """What a stand-in for Vivado does not know."""


class Vivado:
    """Runs a script in a Tcl interpreter whose Vivado commands only note what they are told.

    An option that a command of Vivado does not have is refused, as is whatever else is unknown.
    """

    def __init__(self, folder, interfaces=(), route=(100, 0), **told):
        tkinter = pytest.importorskip("tkinter")
        self.tcl = tkinter.Tcl()
        self.tcl.eval("namespace eval ipx {}")
        self.folder, self.interfaces, self.route = folder, set(interfaces), route
        self.calls, self.properties, self.wrong = [], told, None
        self.clocked = []  # names of interfaces, as the clock's ASSOCIATED_BUSIF lists them
        for name in COMMANDS:
            self.tcl.createcommand(name, lambda *words, name=name: self.call(name, words))

    def call(self, name, words):
        options, rest, words = {}, [], list(words)
        known = {word.rstrip(":"): word.endswith(":") for word in COMMANDS[name].split()}
        while words:
            word = words.pop(0)
            if re.match(r"-[a-z]", word):
                if word not in known:
                    self.refuse(f"{name} {word}: expected one of {COMMANDS[name]}")
                options[word] = words.pop(0) if known[word] else ""
            else:
                rest.append(word)
        self.calls.append((name, options, rest))
        act = getattr(self, name.replace("ipx::", ""), None)
        return act(options, rest) if act else (rest or [""])[-1]

    def refuse(self, text):
        self.wrong = Stop(text)  # Tcl does not pass it on
        raise self.wrong

    def set_property(self, options, rest):
        if "-dict" in options:
            words = self.tcl.splitlist(options["-dict"])
            rest = [*words, rest[0]]
        for name, value in zip(rest[:-1:2], rest[1:-1:2], strict=True):
            self.properties[name.lower()] = value
            if name == "name":  # renames an interface, not what names it
                self.interfaces = {value if i == rest[-1] else i for i in self.interfaces}
            if (name, rest[-1]) == ("value", "ASSOCIATED_BUSIF"):
                self.clocked = value.split(":")

    def get_property(self, options, rest):
        value = self.properties.get(rest[0].lower())
        if value is None and "-quiet" not in options:
            self.refuse(f"get_property {rest[0]}: expected a known one")
        return value or ""

    def version(self, options, rest):
        return self.properties.get("release", vendor.VERSION)

    def package_project(self, options, rest):
        self.properties |= {name[1:]: options[name] for name in ("-vendor", "-library")}
        top = next(r for n, _, r in reversed(self.calls) if n == "set_property" and r[0] == "top")
        self.properties["name"] = top[1]
        self.clocked = sorted(name for name in self.interfaces if "axi" in name)

    def associate_bus_interfaces(self, options, rest):
        if "-busif" in options:
            self.clocked.append(options["-busif"])

    def check_integrity(self, options, rest):
        for name in self.clocked:
            if name not in self.interfaces:
                self.refuse(f"ASSOCIATED_BUSIF: expected interfaces of the core, was {name}")

    def current_core(self, options, rest):
        return "core"

    def get_bus_interfaces(self, options, rest):
        return rest[0] if rest[0] in self.interfaces else ""

    def infer_bus_interface(self, options, rest):
        self.interfaces.add(rest[0])

    def get_address_blocks(self, options, rest):
        return "reg0"

    def generate_target(self, options, rest):
        handoff = "project/tickgate.gen/sources_1/bd/tickgate/hw_handoff/tickgate.hwh"
        (self.folder / handoff).parent.mkdir(parents=True)
        (self.folder / handoff).write_text("<hwh/>")

    def make_wrapper(self, options, rest):
        return "tickgate_wrapper.v"

    def report_route_status(self, options, rest):
        return ROUTED.format(*self.route)

    def write_bitstream(self, options, rest):
        Path(rest[0]).write_bytes(b"bit")

    def report_utilization(self, options, rest):
        Path(options["-file"]).write_text(UTILIZATION)

    def package_xo(self, options, rest):
        with zipfile.ZipFile(options["-xo_path"], "w") as archive:
            archive.write(options["-kernel_xml"], "tickgate_kernel/kernel.xml")

    def source(self, path, *arguments):
        import tkinter

        self.tcl.setvar("argv", self.tcl.call("list", *map(str, arguments)))
        try:
            self.tcl.call("source", str(path))
        except tkinter.TclError as error:
            raise self.wrong or Stop(str(error)) from error

    def told(self, name):
        return [(options, rest) for call, options, rest in self.calls if call == name]


#: What Vivado derives by itself, on the way to an overlay that is well.
DERIVED = {
    "config.pcw_iopll_ctrl_fbdiv": "20",
    "config.pcw_act_fpga0_peripheral_freqmhz": "62.500000",
    "config.c_s_axis_s2mm_tdata_width": "64",
    "progress": "100%",
    "stats.wns": "0.412",
    "stats.whs": "0.031",
    "stats.tpws": "0.000",
}
AXI_BUSES = ("aclk", "aresetn", "s_axi", "s_axis", "m_axis")


def overlay(folder, **changes):
    """A stand-in that has run the whole script of the overlay."""
    buses = changes.pop("interfaces", AXI_BUSES)
    route = changes.pop("route", (100, 0))
    vivado = Vivado(folder, buses, route, **(DERIVED | changes))
    vivado.source(BOARDS / "pynq-z2" / "build.tcl", folder, "62.5", 2)
    return vivado
