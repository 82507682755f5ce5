# SPDX-License-Identifier: Apache-2.0
"""cocotb tests that fail, to see that pytest hears of it."""

import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def passes(dut):
    await Timer(1, "ns")


@cocotb.test()
async def fails(dut):
    await Timer(1, "ns")
    assert int(dut.s_tvalid.value) == 2, "a valid that is two"


@cocotb.test()
async def breaks(dut):
    dut.no_such_port.value = 1
    await Timer(1, "ns")
