# SPDX-License-Identifier: Apache-2.0
"""Faults of all blocks, each with the test or proof that must notice it.

A fault replaces a text that occurs exactly once in a file. Whoever changes that text changes the
fault with it, so the table cannot fall behind the design unnoticed.
"""

from tests.mutate.fault import Fault
from tests.mutate.feed_faults import FEED_FAULTS
from tests.mutate.gate_faults import GATE_FAULTS
from tests.mutate.line_faults import LINE_FAULTS
from tests.mutate.link_faults import LINK_FAULTS
from tests.mutate.row_faults import ROW_FAULTS
from tests.mutate.signal_faults import SIGNAL_FAULTS
from tests.mutate.spaced_faults import SPACED_FAULTS
from tests.mutate.view_faults import VIEW_FAULTS

__all__ = ["FAULTS", "Fault"]

#: Every fault, by what it breaks.
FAULTS: tuple[Fault, ...] = (
    *ROW_FAULTS,
    *VIEW_FAULTS,
    *GATE_FAULTS,
    *SIGNAL_FAULTS,
    *FEED_FAULTS,
    *LINE_FAULTS,
    *LINK_FAULTS,
    *SPACED_FAULTS,
)
