# SPDX-License-Identifier: Apache-2.0
"""A kernel's ends on Verilator between cocotbext-axi's models; the tests are in `bench_kernel`."""

import pytest

from sim.bench_cocotb import CocotbError, run_model
from sim.bench_top import build_top
from tests.cocotb import bench_kernel


@pytest.fixture(scope="session")
def kernel_model():
    return build_top("tests.cocotb.mirror:kernel", {}, "tickgate_kernel")


@pytest.mark.slow
@pytest.mark.xdist_group("cocotb-kernel")
@pytest.mark.parametrize("name", bench_kernel.TESTS)
def test_kernel(kernel_model, name):
    module = "tests.cocotb.bench_kernel"
    try:
        assert run_model(kernel_model, module, test=name, top="tickgate_kernel") >= 1
    except CocotbError as error:  # the bench's own words
        raise AssertionError(str(error)) from None


def test_every_cocotb_test_is_run_by_pytest():
    marked = {n for n, value in vars(bench_kernel).items() if hasattr(value, "generate_tests")}
    assert marked == set(bench_kernel.TESTS)
