# SPDX-License-Identifier: Apache-2.0
"""Large orders in parts never trade more than the whole, and all of it in the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.execution.slicing import Iceberg, Sliced, Twap


def test_an_iceberg_shows_one_part_after_the_other() -> None:
    order = Sliced(Iceberg(25, 10))
    assert order.next_part(0) == (0, 10)
    assert order.next_part(0) is None
    order.filled(0, 10)
    assert order.next_part(0) == (1, 10)
    order.filled(1, 4)
    order.ended(1)
    assert order.next_part(0) == (2, 10)
    order.filled(2, 10)
    assert order.next_part(0) == (3, 1)
    order.filled(3, 1)
    assert order.done
    assert order.next_part(0) is None


def test_a_twap_is_due_in_equal_parts_and_makes_up_for_what_was_missed() -> None:
    plan = Twap(10, 4, 1000, 400)
    assert [plan.planned_lots(t) for t in (999, 1000, 1099, 1100, 1200, 1300, 9999)] == [
        0, 2, 2, 5, 7, 10, 10,
    ]  # fmt: skip
    order = Sliced(plan)
    assert order.next_part(1000) == (0, 2)
    order.ended(0)  # nothing was filled
    assert order.next_part(1100) == (1, 5)


def test_what_makes_up_for_earlier_parts_is_no_larger_than_allowed() -> None:
    order = Sliced(Twap(10, 4, 1000, 400), 3)
    assert order.next_part(1000) == (0, 2)
    order.ended(0)
    assert [order.next_part(1300) for _ in range(5)] == [(1, 3), (2, 3), (3, 3), (4, 1), None]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Iceberg(5, 6), "shown: expected 1 to 5 lots, was 6"),
        (lambda: Iceberg(5, 0), "shown: expected 1 to 5 lots, was 0"),
        (lambda: Twap(5, 6, 0, 100), "parts: expected 1 to 5, was 6"),
        (lambda: Twap(5, 5, 0, 4), "duration: expected at least 5 ms, was 4"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(make: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()  # type: ignore[operator]


def test_a_fill_beyond_its_part_is_refused() -> None:
    order = Sliced(Iceberg(25, 10))
    order.next_part(0)
    with pytest.raises(ValueError, match="at most 10 lots, was 11"):
        order.filled(0, 11)


plans = st.one_of(
    st.tuples(st.integers(1, 500), st.integers(1, 500))
    .filter(lambda p: p[1] <= p[0])
    .map(lambda p: Iceberg(*p)),
    st.tuples(st.integers(1, 500), st.integers(1, 20))
    .filter(lambda p: p[1] <= p[0])
    .map(lambda p: Twap(p[0], p[1], 0, 1000)),
)


@given(plans, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100), st.booleans())))
def test_parts_sum_up_to_the_whole_whatever_happens(
    plan: Iceberg | Twap, steps: list[tuple[int, int, bool]]
) -> None:
    order = Sliced(plan)
    working: dict[int, int] = {}
    filled = 0
    for time_step, (which, lots, ends) in enumerate([*steps, *[(0, 10**6, True)] * 600]):
        part = order.next_part(time_step * 50)
        if part is not None:
            assert part[0] not in working
            working[part[0]] = part[1]
        assert filled + sum(working.values()) <= plan.qty_lots
        if working:
            number = list(working)[which % len(working)]
            lots = min(lots, working[number])
            order.filled(number, lots)
            filled += lots
            working[number] -= lots
            if ends or not working[number]:
                order.ended(number)
                del working[number]
    assert order.done
    assert filled == plan.qty_lots
