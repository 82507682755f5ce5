# SPDX-License-Identifier: Apache-2.0
"""A share of the faults, and that the runner takes no other failure for a caught fault."""

from pathlib import Path

import pytest

from tests.mutate.fault import ROW, Fault
from tests.mutate.faults import FAULTS
from tests.mutate.run import FORMAL, ROOT, Misfit, apply, mutate

BY_NAME = {fault.name: fault for fault in FAULTS}
#: A short test of the sort that catches most faults.
CATCHER = (
    "tests/unit/test_book_directed.py::"
    "test_a_snapshot_whose_last_level_evicts_may_end_at_the_evicted_price"
)


@pytest.mark.parametrize("name", ["lower_without_last", "keys_in_stage_4", "sweep_one_row_short"])
def test_a_fault_is_caught(name):
    row = mutate(BY_NAME[name])
    assert row["result"] == "caught", row["why"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_a_fault_replaces_occurs_exactly_once(fault):
    assert fault.old != fault.new
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old) == 1


def test_faults_have_names_of_their_own_and_catchers_that_exist():
    assert len(BY_NAME) == len(FAULTS) >= 25
    for fault in FAULTS:
        if not fault.catcher.startswith(FORMAL):
            path, _, name = fault.catcher.partition("::")
            assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("new", "result"),
    [
        ('    """How', "NOT CAUGHT"),  # the text it was: nothing is broken
        ('    = """How', "ERROR"),  # no Python any more
        ('    assert False\n    """How', "ERROR"),  # an assertion, but not of a test
    ],
)
def test_only_an_assertion_of_the_test_counts_as_caught(new, result):
    old = '    """Key of a price'
    new = new.replace("How", "Key of a price")
    row = mutate(Fault("standin", "", ROW, old, new, CATCHER))
    assert row["result"] == result, row["why"]


def test_a_fault_whose_text_is_not_there_or_there_twice_is_refused(tmp_path: Path):
    (tmp_path / "block.py").write_text("a = 1\nb = 1\n", encoding="utf-8")
    for old, found in (("c = 1", 0), ("= 1", 2)):
        with pytest.raises(Misfit, match=f"once in block.py, was {found} times"):
            apply(Fault("standin", "", "block.py", old, "", CATCHER), tmp_path)
