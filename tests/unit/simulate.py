# SPDX-License-Identifier: Apache-2.0
"""Run one block in the Amaranth simulator."""

from amaranth.sim import Simulator


def run(dut, *testbenches):
    """Clock `dut` until every testbench has returned."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()
