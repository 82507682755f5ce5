# SPDX-License-Identifier: Apache-2.0
"""Tests that share a board are kept on one worker."""

import pytest


@pytest.mark.xdist_group("workers")
def test_groups_are_formed(request):
    """pytest 9.2 took no notice of the name pytest-xdist 3.8 gives a test of a group."""
    if getattr(request.config.option, "dist", "no") != "loadgroup" and not hasattr(
        request.config, "workerinput"
    ):
        pytest.skip("one process forms no groups")
    assert request.node.nodeid.endswith("@workers")


def test_tests_of_one_board_are_a_group(request):
    """As `tests/conftest.py` marks them."""
    item = next((one for one in request.session.items if "board" in one.fixturenames), None)
    if item is None:
        pytest.skip("no test of a board was chosen")
    assert item.get_closest_marker("xdist_group") is not None
