#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The forest beside conifer's on one model: ``compare_conifer.py CAPTURE [--trees N]``.

XGBoost learns on the first half of the capture whether the mid rises within a second. The model
goes through conifer's VHDL backend, simulated by GHDL, and through our quantiser, whose scores are
those of the RTL by the tests of the fabric. Latency is counted in the simulation. LUTs are Yosys'
estimate for 7-series of the Verilog that ``ghdl --synth`` makes; ours are in ``place_forest.py``.

Needs an environment of its own with ``conifer pandas xgboost-cpu orjson pyosys`` and this package,
GHDL on PATH, and the headers of ap_fixed named by XILINX_AP_INCLUDE (the package hls4ml has them).
"""

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import bitstream as tool  # noqa: E402

from host.contract.features import FEATURES, SCORE_FRACTION_BITS  # noqa: E402
from host.model.load import read_model  # noqa: E402
from host.model.quantise import quantise  # noqa: E402

PROBABILITY = 0.65
HORIZON_US = 1_000_000
COMPARED = 1000
BENCH = """
library ieee; use ieee.std_logic_1164.all; use ieee.numeric_std.all;
library BDT; use BDT.Constants.all; use BDT.Types.all;
entity clocks is end clocks;
architecture t of clocks is
  signal clk : std_logic := '0';
  signal X : txArray(0 to nFeatures - 1) := (others => to_tx(0));
  signal x_vld : boolean := false;
  signal y : tyArray(0 to nClasses - 1);
  signal y_vld : boolArray(0 to nClasses - 1);
  signal n : integer := 0;
begin
  clk <= not clk after 5 ns;
  dut : entity BDT.BDTTop port map(clk, X, x_vld, y, y_vld);
  process(clk) begin
    if rising_edge(clk) then
      n <= n + 1;
      x_vld <= n = 50;
      if x_vld then report "in at " & integer'image(n); end if;
      if y_vld(0) and n > 50 then report "out at " & integer'image(n); end if;
      assert n < 120 report "end" severity failure;
    end if;
  end process;
end t;
"""


def run(folder: Path, *command: str) -> str:
    """What a tool prints on both streams."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def latency(folder: Path) -> int:
    """Cycles from features to score of conifer's VHDL, in simulation."""
    (folder / "clocks.vhd").write_text(BENCH)
    options = ("--std=08", "--work=clocks", "-P.")
    run(folder, "ghdl", "-a", *options, "clocks.vhd")
    run(folder, "ghdl", "-e", *options, "clocks")
    text = run(folder, "ghdl", "-r", *options, "clocks")
    (begun,), (ended, *_) = (re.findall(rf"{word} at (\d+)$", text, re.M) for word in ("in", "out"))
    return int(ended) - int(begun)


def luts(folder: Path) -> int:
    """LUTs of conifer's VHDL on 7-series, those that are memory too, by Yosys alone."""
    verilog = subprocess.run(
        ["ghdl", "--synth", "--std=08", "--work=BDT", "--out=verilog", "BDTTop"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (folder / "top.v").write_text(verilog)
    commands = ["read_verilog top.v", "synth_xilinx -flatten -top BDTTop -noiopad -widemux 5"]
    commands.append("tee -q -o top.stat stat")
    tool.run(folder, "yosys.log", [sys.executable, "-c", tool.SYNTH, *commands])
    stat = (folder / "top.stat").read_text()
    return sum(map(int, re.findall(r"^\s*(\d+)\s+(?:LUT[1-6]|INV|SRL\w+)\s*$", stat, re.M)))


def compare(rows: npt.NDArray[np.int64], rises: npt.NDArray[np.bool_], trees: int) -> None:
    """Train, convert, and print a line for each."""
    conifer, xgboost = import_module("conifer"), import_module("xgboost")
    units = rows / 2.0 ** np.array([feature.fraction_bits for feature in FEATURES])
    half = len(rows) // 2
    settings = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.05, "nthread": 1}
    data = xgboost.DMatrix(units[:half], rises[:half])
    booster = xgboost.train(settings | {"min_child_weight": 5}, data, trees)
    chosen = np.linspace(0, len(rows) - 1, COMPARED).astype(int)
    exact = booster.predict(xgboost.DMatrix(units[chosen]), output_margin=True)
    bound = math.log(PROBABILITY / (1 - PROBABILITY))

    def decisions(scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        return (scores >= bound).astype(np.int64) - (scores <= -bound)

    wanted = decisions(exact)
    print(f"{trees} trees, {COMPARED} events, {np.count_nonzero(wanted)} of them acted on")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "conifer"
        booster.save_model(Path(name) / "model.json")
        image = quantise(read_model(Path(name) / "model.json"), in_units=True)
        own = image.scores(rows[chosen]) / (1 << SCORE_FRACTION_BITS)
        print(f"ours: same decision {np.mean(decisions(own) == wanted):.2%}, "
              f"scores within {np.abs(own - exact).max():.1e}")  # fmt: skip
        config = conifer.backends.vhdl.auto_config()
        config |= {"OutputDir": str(folder), "Precision": "ap_fixed<18,8>"}
        conifer.backends.vhdl.set_simulator("ghdl")
        model = conifer.converters.convert_from_xgboost(booster, config)
        model.compile()
        theirs = np.asarray(model.decision_function(units[chosen])).reshape(-1)
        print(f"conifer: same decision {np.mean(decisions(theirs) == wanted):.2%}, "
              f"scores within {np.abs(theirs - exact).max():.1e}, "
              f"{latency(folder)} cycles, {luts(folder):,} LUTs")  # fmt: skip


def main() -> int:
    """Read the capture and compare."""
    from host.links import open_link
    from host.model.source import FeatureSettings, features_of

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture")
    parser.add_argument("--trees", type=int, default=16)
    options = parser.parse_args()
    with open_link("sim") as link:
        table = features_of(link, [os.fspath(options.capture)], FeatureSettings())
    mids = table.bid_ticks + table.ask_ticks
    later = np.searchsorted(table.time_us, table.time_us + HORIZON_US, side="right") - 1
    compare(table.rows.astype(np.int64), mids[later] > mids, options.trees)
    return 0


if __name__ == "__main__":
    sys.exit(main())
