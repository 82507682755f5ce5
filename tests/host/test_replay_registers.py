# SPDX-License-Identifier: Apache-2.0
"""Rules, exits and limits that have no option of their own, set by name for a replay."""

import pytest

from host.contract.records import ORDER_LIMIT_IOC, Reason
from host.replay.registers import NamedRegisters
from host.settings import SettingError, Write
from tests.host.replay_helpers import SLICE, replayed

SPREAD_ALONE = ((1 << 64) - 1) & ~(1 << Reason.SPREAD)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["strategy_exits"], "--set: expected NAME=VALUE, was 'strategy_exits'"),
        (["strategy_exist=1"], "--set strategy_exist: expected a register that begins with"),
        (["control=1"], "--set control: expected a register that begins with"),
        (["strategy_commit=0"], "--set strategy_commit: expected a register that begins with"),
        (["limits_version=0"], "--set limits_version: expected a register that begins with"),
        (["limit_in_force=0"], "--set limit_in_force: expected a register that begins with"),
        (["strategy_exits=32"], "--set strategy_exits: expected 0 to 31, was '32'"),
        (["strategy_exits=-1"], "--set strategy_exits: expected 0 to 31, was '-1'"),
        (["strategy_exits="], "--set strategy_exits: expected 0 to 31, was ''"),
        (["strategy_exits=1.5"], "--set strategy_exits: expected 0 to 31, was '1.5'"),
        (["max_net=1", "max_net=1"], "--set max_net: expected once, was given twice"),
        (["limit_max_spread=1"], "--set limit_max_spread: expected limit_waive as well, was none"),
    ],
)
def test_what_cannot_be_set_is_named(texts, said):
    with pytest.raises(SettingError) as error:
        NamedRegisters.parse(texts)
    assert said in str(error.value)


def test_without_any_nothing_is_changed():
    none, limits = NamedRegisters.parse([]), [Write("limit_max_qty", 3), Write("limit_commit", 1)]
    assert (none.global_writes(), none.strategy_writes(1, 10)) == ([], [])
    assert none.limit_writes(limits) == limits


def test_a_named_register_stands_before_the_commit_in_place_of_the_other():
    named = NamedRegisters.parse(["strategy_exits=0b101", "strategy_qty_most=0x7", "max_net=9"])
    assert named.global_writes() == [("max_net", 9)]
    assert named.strategy_writes(4, 10) == [
        ("strategy_active", 1),
        ("strategy_sides", 3),
        ("strategy_entry_order", ORDER_LIMIT_IOC),
        ("strategy_exit_order", ORDER_LIMIT_IOC),
        ("strategy_exits", 5),
        ("strategy_qty_most", 7),
        ("strategy_commit", 4),
    ]
    model = [Write("strategy_exits", 8), Write("strategy_time_us", 6), Write("strategy_commit", 4)]
    assert named.strategy_writes(4, 10, model) == [
        ("strategy_time_us", 6),
        ("strategy_exits", 5),
        ("strategy_qty_most", 7),
        ("strategy_commit", 4),
    ]


def test_rules_and_exits_named_decide_as_the_reference_says(tmp_path):
    named = NamedRegisters.parse(
        [
            *("strategy_flow_sides=3", "strategy_flow_num=3", "strategy_flow_den=1"),
            *("strategy_flow_lots=1", "strategy_flow_decay=5", "strategy_average_decay=6"),
            *("strategy_vwap_sides=3", "strategy_vwap_half_ticks=4", "trade_window=22"),
            *("strategy_filters=64", "strategy_exits=9", "strategy_stop_ticks=30"),
            *("strategy_time_us=2_000_000", "strategy_exit_retry_us=500_000"),
            *("strategy_entry_protect=2", "strategy_exit_protect=2"),
        ]
    )
    result = replayed(tmp_path / "out", SLICE, named=named)
    summary = result.summary
    assert summary["mismatches"]["total"] == 0 and summary["reference_records"]
    fired = summary["decisions"]["by_rule"]
    assert sum(fired.values()) == summary["decisions"]["total"] == len(result.decisions)
    assert fired.get("FLOW") and fired.get("VWAP")
    assert any(name.startswith("EXIT") for name in fired)
    assert summary["decisions"]["refused"] == 0
    assert "IMBALANCE" not in "".join(fired)
    assert "decided by" in result.text


def test_a_limit_named_is_in_force(tmp_path):
    named = NamedRegisters.parse(["limit_max_spread=0", f"limit_waive={SPREAD_ALONE}"])
    decisions = replayed(tmp_path / "out", SLICE, named=named).summary["decisions"]
    assert decisions["total"] == decisions["refused_by_reason"]["SPREAD"] > 0
    assert decisions["accepted"] == 0
