# SPDX-License-Identifier: Apache-2.0
"""The network on Verilator between the MACs of cocotbext-eth; the tests are in `bench_net`."""

import pytest

from sim.bench_cocotb import run_model
from sim.bench_top import build_top
from tests.cocotb import bench_net


@pytest.fixture(scope="session")
def net_model():
    return build_top("hdl.net.top:NetTop", {"slots": 16, "slot_bytes": 512}, "tickgate_net")


@pytest.mark.slow
@pytest.mark.xdist_group("cocotb-net")
@pytest.mark.parametrize("name", bench_net.TESTS)
def test_network(net_model, name):
    module = "tests.cocotb.bench_net"
    assert run_model(net_model, module, test=name, top="tickgate_net") >= 1


def test_every_cocotb_test_is_run_by_pytest():
    marked = {name for name, value in vars(bench_net).items() if hasattr(value, "generate_tests")}
    assert marked == set(bench_net.TESTS)
