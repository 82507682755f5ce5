# SPDX-License-Identifier: Apache-2.0
"""Faults of features, strategy and model, and of what carries them through the pipeline."""

from tests.mutate.fault import Fault

__all__ = ["SIGNAL_FAULTS"]

FLOW, TAPE, MOTION = "hdl/signal/flow.py", "hdl/signal/tape.py", "hdl/signal/motion.py"
DEPTH, VECTOR, AVERAGE = "hdl/signal/depth.py", "hdl/signal/vector.py", "hdl/signal/average.py"
LOG, MICRO, PIPELINE = "hdl/signal/log.py", "hdl/signal/micro.py", "hdl/pipeline.py"
EXITS, POSITION = "hdl/strategy/exits.py", "hdl/strategy/position.py"
RULES, FILTERS = "hdl/strategy/rules.py", "hdl/strategy/filters.py"
DECIDES, SIZING = "hdl/strategy/decide.py", "hdl/strategy/sizing.py"
PACE, STRATEGY = "hdl/strategy/pace.py", "hdl/strategy/strategy.py"
ENGINE, FOREST, LOADER = "hdl/model/engine.py", "hdl/model/forest.py", "hdl/model/loader.py"
CRC = "hdl/model/crc.py"

_JUDGED = "tests/unit/test_judged.py::test_every_feature_and_intent_is_the_reference_s"
JUDGED, SCORED = f"{_JUDGED}[2x3x8-0-0]", f"{_JUDGED}[2x4x16-7-0]"
EXTREMES = "tests/unit/test_judged_extremes.py::"
ENDS = f"{EXTREMES}test_prices_at_both_ends_of_their_range[1-2]"
GREATEST = f"{EXTREMES}test_lots_traded_beyond_the_greatest_quantity_are_the_greatest"
_FOREST = "tests/unit/test_forest.py::"
SWAPPED = f"{_FOREST}test_scores_equal_the_reference_while_models_are_swapped"
MALFORMED = f"{_FOREST}test_a_malformed_image_is_refused_by_name_and_changes_nothing"
WHOLE = (
    "tests/unit/test_pipeline_simulated.py::"
    "test_features_entries_and_exits_leave_the_pipeline_as_the_reference_says[config1-22]"
)

SIGNAL_FAULTS: tuple[Fault, ...] = (
    Fault(
        "flow_same_price_is_better",
        "a best price that stays counts as a better one",
        FLOW,
        "better.eq(is_.key > was.key)",
        "better.eq(is_.key >= was.key)",
        ENDS,
    ),
    Fault(
        "flow_gains_leave",
        "lots that are added count as removed",
        FLOW,
        "less.eq(was.qty - is_.qty)",
        "less.eq(is_.qty - was.qty)",
        JUDGED,
    ),
    Fault(
        "average_without_start",
        "an average begins at zero, not at its first value",
        AVERAGE,
        "Mux(begun1, left + scaled, scaled << decay1)",
        "left + scaled",
        JUDGED,
    ),
    Fault(
        "vwap_half",
        "the distance from the VWAP counts notional once, not twice",
        TAPE,
        "bought + sold - (notional << 1)",
        "bought + sold - notional",
        JUDGED,
    ),
    Fault(
        "range_without_gap",
        "the true range forgets a gap upwards between two bars",
        MOTION,
        "passed = before.closed & (before.close_before > before.high)",
        "passed = before.closed & (before.close_before < before.low)",
        JUDGED,
    ),
    Fault(
        "gap_wraps",
        "a pause longer than the width of a gap wraps",
        MOTION,
        "gap.eq(waited[:_GAP_BITS] | waited[_GAP_BITS:64].any().replicate(_GAP_BITS))",
        "gap.eq(waited[:_GAP_BITS])",
        f"{EXTREMES}test_a_pause_longer_than_any_width_is_the_longest",
    ),
    Fault(
        "prints_wrap",
        "lots traded between two events wrap",
        VECTOR,
        "total[:-1] | total[-1].replicate(config.qty_bits)",
        "total[:-1]",
        GREATEST,
    ),
    Fault(
        "primed_after_a_gap",
        "an event after an unusable one is compared with the one before that",
        VECTOR,
        "rows.after.eq(row1), rows.after.primed.eq(0)",
        "rows.after.eq(row1), rows.after.primed.eq(self.row.primed)",
        JUDGED,
    ),
    Fault(
        "wall_behind",
        "the distance of a wall of asks has the other sign",
        DEPTH,
        'behind if side == "bid" else -behind',
        "behind",
        JUDGED,
    ),
    Fault(
        "log_table_late",
        "logarithms read the entry behind theirs",
        LOG,
        "m.d.comb += entry.eq(logarithm)",
        "m.d.comb += entry.eq(logarithm ^ 1)",
        JUDGED,
    ),
    Fault(
        "micro_one_bank",
        "the micro-price table that is loaded is the one in use",
        MICRO,
        "Cat(lean, apart, self.bank, self.symbol)",
        "Cat(lean, apart, ~self.bank, self.symbol)",
        JUDGED,
    ),
    Fault(
        "blind_is_safe",
        "a position without a known price has no stop",
        EXITS,
        "on[0] & (blind | stopped),",
        "on[0] & ~blind & stopped,",
        f"{EXTREMES}test_a_position_without_an_entry_price_is_stopped_at_once",
    ),
    Fault(
        "time_stop_early",
        "the time stop fires before its time",
        EXITS,
        "on[3] & timed,",
        "on[3] & ~timed,",
        JUDGED,
    ),
    Fault(
        "exit_sum_narrow",
        "the sums of exits lack their upper bits",
        EXITS,
        'bits = len(products["mark"]) + 6',
        'bits = len(products["mark"]) + 1',
        "formal:strategy_exits",
    ),
    Fault(
        "position_wraps",
        "a position greater than the greatest wraps",
        POSITION,
        "Mux(total > most, most, Mux(total < -most, -most, total))",
        "total",
        "formal:strategy_position",
    ),
    Fault(
        "stated_short_is_long",
        "a short that the host states is taken for a long",
        POSITION,
        "after.lots.eq(Mux(side, -qty, qty)),",
        "after.lots.eq(qty),",
        f"{EXTREMES}test_fills_back_to_back_turn_a_position_and_each_counts",
    ),
    Fault(
        "flatten_enters",
        "a symbol that is to be flat is entered",
        DECIDES,
        "~leaving & ~found.flatten & (buying | selling)",
        "~leaving & (buying | selling)",
        f"{EXTREMES}test_a_symbol_that_is_to_be_flat_is_not_entered",
    ),
    Fault(
        "any_despite_conflict",
        "a buy comes of rules that disagree",
        DECIDES,
        "buy.eq(buys.any() & ~sells.any()),",
        "buy.eq(buys.any()),",
        f"{EXTREMES}test_rules_that_disagree_come_to_nothing[2-0]",
    ),
    Fault(
        "edge_by_setting",
        "the edge is judged by the setting where a model says how sure it is",
        DECIDES,
        "Mux(by_model, sure_by, found.edge_probability)",
        "found.edge_probability",
        f"{EXTREMES}test_with_a_model_the_edge_is_judged_by_its_own_probability",
    ),
    Fault(
        "filter_lets_through",
        "a model that filters lets every buy through",
        DECIDES,
        "found.sides[0] & (~as_filter | model_buy)",
        "found.sides[0]",
        f"{EXTREMES}test_a_model_that_is_not_sure_lets_no_entry_through",
    ),
    Fault(
        "wall_of_nothing",
        "a wall far from the touch counts",
        RULES,
        "wall.qty.any() & ~apart",
        "wall.qty.any()",
        f"{EXTREMES}test_a_wall_counts_up_to_its_distance_from_the_touch[2-0]",
    ),
    Fault(
        "liquidity_ignored",
        "an entry passes however little there is",
        FILTERS,
        "~on[4] | deep1,",
        "~on[4] | ~deep1,",
        f"{EXTREMES}test_an_entry_needs_the_liquidity_asked_for_on_both_sides[51-0]",
    ),
    Fault(
        "protection_wraps",
        "the price of a market order wraps at the top",
        SIZING,
        "Mux(above > most, most, above)",
        "above[:PRICE_BITS]",
        f"{EXTREMES}test_a_protected_price_stays_within_the_prices_there_are[buy]",
    ),
    Fault(
        "exit_again_at_once",
        "an exit is sent at every event while one is working",
        PACE,
        "self.busy.eq(live & (since_exit[:64] < self.retry_us)),",
        "self.busy.eq(0),",
        JUDGED,
    ),
    Fault(
        "inactive_rules",
        "settings rule before they are active",
        STRATEGY,
        "Mux(self.row.active, own, common.get(name, 0))",
        "own",
        JUDGED,
    ),
    Fault(
        "score_of_another_event",
        "an event is judged by the score of the one before it",
        STRATEGY,
        'decide.found.eq(later(found2.as_value(), "found", wait))',
        'decide.found.eq(later(found2.as_value(), "found", max(0, wait - 1)))',
        SCORED,
    ),
    Fault(
        "score_dropped",
        "the score does not reach the strategy",
        PIPELINE,
        "strategy.score.eq(forest.o.p.score),",
        "strategy.score.eq(0),",
        WHOLE,
    ),
    Fault(
        "equal_goes_right",
        "a feature equal to its threshold goes right",
        ENGINE,
        "right.eq(chosen > node.threshold),",
        "right.eq(chosen >= node.threshold),",
        f"{SWAPPED}[one engine a tree]",
    ),
    Fault(
        "leaves_exchanged",
        "the left leaf is taken for the right one",
        ENGINE,
        "Mux(right, leaf_read.data[1], leaf_read.data[0])",
        "Mux(right, leaf_read.data[0], leaf_read.data[1])",
        f"{SWAPPED}[one engine a tree]",
    ),
    Fault(
        "bank_does_not_travel",
        "lower levels walk the model of the event behind",
        ENGINE,
        "m.d.sync += row_later.eq(row)",
        "m.d.comb += row_later.eq(row)",
        f"{SWAPPED}[two phases]",
    ),
    Fault(
        "swap_between_phases",
        "an event's second phase walks another model than its first",
        FOREST,
        "next_bank.eq(Mux(stays, bank, loader.active)),",
        "next_bank.eq(loader.active),",
        f"{SWAPPED}[depth six, eight phases]",
    ),
    Fault(
        "bias_dropped",
        "the bias is not added",
        FOREST,
        "Mux(tag.first, constants[tag.bank].bias, total)",
        "Mux(tag.first, 0, total)",
        f"{SWAPPED}[one engine a tree]",
    ),
    Fault(
        "score_not_shifted",
        "a score keeps the unit of the leaves",
        FOREST,
        "score.eq(total << asked.shift)",
        "score.eq(total)",
        f"{SWAPPED}[one engine a tree]",
    ),
    Fault(
        "scored_without_a_model",
        "events are scored before there is a model",
        FOREST,
        "ready.eq(Mux(stays, ready, loader.ready)),",
        "ready.eq(1),",
        f"{_FOREST}test_before_a_first_model_nothing_is_scored_whatever_the_memories_hold",
    ),
    Fault(
        "overrun_silent",
        "an event that came too early is not told",
        FOREST,
        "self.overrun.eq(self.i.valid & running),",
        "self.overrun.eq(0),",
        f"{_FOREST}test_features_that_come_too_early_are_told_and_disturb_no_others[two phases]",
    ),
    Fault(
        "checksum_ignored",
        "an image with another checksum is accepted",
        LOADER,
        "Mux(written != ~crc, ModelStatus.CHECKSUM, ModelStatus.NONE),",
        "ModelStatus.NONE,",
        f"{MALFORMED}[checksum]",
    ),
    Fault(
        "too_long_accepted",
        "words behind the end of an image are taken",
        LOADER,
        "refuse.eq(Mux(whole, ModelStatus.LENGTH, fault))",
        "refuse.eq(fault)",
        f"{MALFORMED}[too long]",
    ),
    Fault(
        "image_into_use",
        "an image is written over the model in use",
        LOADER,
        "(phase << 1) | ~self.active",
        "(phase << 1) | self.active",
        f"{SWAPPED}[one engine a tree]",
    ),
    Fault(
        "crc_other_polynomial",
        "the checksum is not CRC-32",
        CRC,
        "0xEDB88320",
        "0x82F63B78",
        f"{SWAPPED}[one engine a tree]",
    ),
)
