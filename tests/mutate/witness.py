# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin that writes down how each test ended, and why.

A fault counts as caught only by an assertion of a test: an import that fails, a build that
fails or a timeout says nothing about what the test promises.
"""

import json
import os
from pathlib import Path

import pytest

import hdl

#: Names the file the witness writes.
WITNESS = "TICKGATE_WITNESS"
ROOT = Path(__file__).resolve().parents[2]

_seen: dict[str, dict[str, str]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.passed and call.when != "call":
        return
    end = {"outcome": report.outcome, "why": ""}
    if call.excinfo is not None and report.failed:
        last = call.excinfo.traceback[-1]
        place = Path(str(last.path))
        asserted = call.excinfo.errisinstance(AssertionError) and (ROOT / "tests") in place.parents
        end["outcome"] = "assertion" if asserted and call.when == "call" else "error"
        text = (str(call.excinfo.value) or "assertion").splitlines()[0]
        end["why"] = f"{call.excinfo.typename} at {place.name}:{last.lineno + 1}: {text}"
    _seen[item.nodeid] = end


def pytest_sessionfinish():
    tree = str(Path(hdl.__file__).resolve().parents[1])
    told = {"tree": tree, "tests": _seen}
    Path(os.environ[WITNESS]).write_text(json.dumps(told), encoding="utf-8")
