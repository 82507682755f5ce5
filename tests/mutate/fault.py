# SPDX-License-Identifier: Apache-2.0
"""What a fault is, and what the tables of faults share."""

from dataclasses import dataclass

__all__ = ["Fault"]

AHEAD, DECIDE = "hdl/book/ahead.py", "hdl/book/decide.py"
ASKING, COMPARE = "hdl/book/asking.py", "hdl/book/compare.py"
FINDINGS = "hdl/book/findings.py"
HAZARDS, LADDER = "hdl/book/hazards.py", "hdl/book/ladder.py"
MARKS, OPERATION, ROW = "hdl/book/marks.py", "hdl/book/operation.py", "hdl/book/row.py"
TOUCH, VIEW, MEMORY = "hdl/book/touch.py", "hdl/book/view.py", "hdl/memory.py"
BOTH, PROFILE = "hdl/book/both.py", "hdl/signal/profile.py"

DENSE = "tests/unit/test_book_dense.py::test_every_side_is_exact_after_every_record[0]"
DIRECTED = "tests/unit/test_book_directed.py"
NEAR = "formal:decide_near"
SWEPT = (
    "tests/unit/test_memory.py::test_every_row_is_clear_after_each_reset_whatever_was_written[5]"
)


@dataclass(frozen=True)
class Fault:
    """One fault.

    Parameters
    ----------
    name : str
        Name in the table.
    broken : str
        What the fabric then does wrong, in one sentence.
    file : str
        File from the top of the tree.
    old, new : str
        Text that occurs exactly once there, and what it becomes.
    catcher : str
        A pytest node id, or ``formal:`` and the name of a proof.
    """

    name: str
    broken: str
    file: str
    old: str
    new: str
    catcher: str
