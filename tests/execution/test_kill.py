# SPDX-License-Identifier: Apache-2.0
"""A quick share of `tests.execution.kill`."""

import asyncio
from pathlib import Path

import pytest

from tests.execution.kill import kill_drill


@pytest.mark.slow
def test_a_killed_process_loses_no_order_and_sends_none_twice(tmp_path: Path) -> None:
    found = asyncio.run(asyncio.wait_for(kill_drill(6, 7, tmp_path), 240))
    assert found["kills"] == 6
    assert found["orders at the venue"] > 0
    assert found["fills"] > 0
