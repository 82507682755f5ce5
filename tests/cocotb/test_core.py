# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline on Verilator, driven by cocotb; the tests are in the modules bench_*."""

import pytest

from sim.bench_cocotb import CocotbError, build_model, run_model
from tests.cocotb import bench_capture, bench_small

HERE = "tests.cocotb"


@pytest.fixture(scope="session")
def small_model():
    return build_model(bench_small.CONFIG)


@pytest.mark.slow
@pytest.mark.xdist_group("cocotb-small")
@pytest.mark.parametrize("name", bench_small.TESTS)
def test_small_build(small_model, name):
    assert run_model(small_model, f"{HERE}.bench_small", test=name) >= 1


@pytest.mark.slow
@pytest.mark.xdist_group("cocotb-default")
@pytest.mark.parametrize("name", bench_capture.TESTS)
def test_default_build(name):
    model = build_model(bench_capture.CONFIG)
    assert run_model(model, f"{HERE}.bench_capture", test=name) >= 1


@pytest.mark.slow
@pytest.mark.xdist_group("cocotb-small")
@pytest.mark.parametrize(
    ("name", "said"),
    [("fails", "a valid that is two"), ("breaks", "no_such_port"), ("absent", "no test was run")],
)
def test_failing_cocotb_test_fails_with_its_message(small_model, name, said):
    with pytest.raises(CocotbError, match=said):
        run_model(small_model, f"{HERE}.bench_failing", test=name)


@pytest.mark.slow
@pytest.mark.xdist_group("cocotb-small")
def test_passing_cocotb_test_beside_failing_ones_passes(small_model):
    assert run_model(small_model, f"{HERE}.bench_failing", test="passes") == 1


@pytest.mark.parametrize("module", [bench_small, bench_capture])
def test_every_cocotb_test_is_run_by_pytest(module):
    marked = {name for name, value in vars(module).items() if hasattr(value, "generate_tests")}
    assert marked == set(module.TESTS)
