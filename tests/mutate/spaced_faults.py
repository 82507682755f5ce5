# SPDX-License-Identifier: Apache-2.0
"""Faults of the spaced build, and of the copies the registers are read back from."""

from tests.mutate.fault import Fault

__all__ = ["SPACED_FAULTS"]

ADMISSION, SPREAD, BANK = "hdl/link/admission.py", "hdl/spread.py", "hdl/regs/bank.py"
COPIER, LIMITS = "hdl/regs/copier.py", "hdl/risk/limits.py"
COUNTERS = "hdl/stats/counters.py"

ALONE = "formal:admission_one_at_a_time"
ROWS = "tests/unit/test_spread.py::test_rows_come_back_whole_and_are_zero_after_each_reset[1001-16]"
COMMITS = "tests/unit/test_copier.py::"
WAITS = COMMITS + "test_a_commit_waits_for_the_record_under_way_and_holds_the_next"
COPIED = COMMITS + "test_rows_are_what_was_committed_and_nothing_survives_a_reset"
SUMMED = COMMITS + "test_sum_and_number_of_a_commit_are_those_of_a_build_with_registers"
BACK = "tests/unit/test_registers.py::test_what_is_written_is_read_back_and_nothing_else_moves"

STREAMED = (
    "tests/unit/test_pipeline_streams.py"
    "::test_every_record_and_counter_equals_the_reference[9x5x24-spaced-0]"
)
DECIDED = (
    "tests/unit/test_strategy_streams.py::test_every_decision_equals_the_reference[3x8x32-01-0]"
)
SCORED = (
    "tests/unit/test_strategy_streams.py::test_every_decision_equals_the_reference[3x5x16-41-0]"
)
COUNTED = (
    "tests/unit/test_registers.py"
    "::test_counters_in_memory_hold_every_pulse_and_nothing_of_before_a_reset"
)

SPACED_FAULTS: tuple[Fault, ...] = (
    Fault(
        "spaced_by_one_less",
        "a record comes a clock before the one ahead has left",
        ADMISSION,
        "rest.eq(Mux(goes, IN_FLIGHT, rest - (rest != 0)))",
        "rest.eq(Mux(goes, IN_FLIGHT - 1, rest - (rest != 0)))",
        ALONE,
    ),
    Fault(
        "spaced_no_reserve",
        "a queue of 16 takes records until it is full",
        ADMISSION,
        "_ALONE = 4",
        "_ALONE = 1",
        "formal:emit_room_spaced",
    ),
    Fault(
        "spaced_but_for_resets",
        "the fabric's own records do not wait",
        ADMISSION,
        "made.eq(resetting & self.swept & here & free)",
        "made.eq(resetting & self.swept & here)",
        ALONE,
    ),
    Fault(
        "spread_last_word_stays",
        "the last word of a row is never written",
        SPREAD,
        "busy.eq(beat != _BEATS - 1)",
        "busy.eq(beat != _BEATS - 2)",
        ROWS,
    ),
    Fault(
        "spread_word_of_another_part",
        "a word that left the memory goes to the part that is asked for now",
        SPREAD,
        "with m.If(left == at):",
        "with m.If(asked == at):",
        ROWS,
    ),
    Fault(
        "spread_swept_by_half",
        "the second half of the memory is not swept",
        SPREAD,
        "self.done.eq(swept == words)",
        "self.done.eq(swept == words // 2)",
        ROWS,
    ),
    Fault(
        "copy_uncut",
        "a register is read back wider than it is",
        BANK,
        "narrow = Cat(bus.w_data[bit] & ends(bit + 1) for bit in range(32))",
        "narrow = bus.w_data",
        BACK,
    ),
    Fault(
        "copy_low_at_once",
        "the copy of a wide register changes with its low word alone",
        BANK,
        "words.en.eq(bus.w_en & (wide | ends(1)))",
        "words.en.eq(bus.w_en)",
        "tests/unit/test_registers.py"
        "::test_a_wide_register_changes_with_its_high_word_and_is_read_whole",
    ),
    Fault(
        "copy_survives_reset",
        "what was written before a reset is read back after it",
        BANK,
        "seen.eq((asked & written).any())",
        "seen.eq(1)",
        "tests/unit/test_registers.py::test_nothing_is_read_back_from_before_a_reset",
    ),
    Fault(
        "commit_under_way",
        "a commit does not wait for the record under way",
        COPIER,
        "with m.Elif(waits.any() & self.go):",
        "with m.Elif(waits.any()):",
        WAITS,
    ),
    Fault(
        "commit_holds_nothing",
        "records come while a commit waits",
        COPIER,
        "self.busy.eq(waits.any() | copies | words)",
        "self.busy.eq(copies | words)",
        WAITS,
    ),
    Fault(
        "commit_loses_one_of_two",
        "of two commits that wait both are over with the first",
        COPIER,
        "waits.eq(waits & (waits - 1)[:count])",
        "waits.eq(0)",
        WAITS,
    ),
    Fault(
        "commit_while_swept",
        "a commit is taken while memories are swept, and loses its first words",
        COPIER,
        "self.commits[at] & self.swept & ",
        "self.commits[at] & ",
        COMMITS + "test_a_commit_before_the_memories_are_swept_is_lost_whole",
    ),
    Fault(
        "commit_lost_as_another_begins",
        "a commit that comes as the other run's begins is forgotten",
        COPIER,
        "m.d.sync += [waits[at].eq(1), ",
        "m.d.sync += [waits[at].eq(~self.go | ~waits.any() | copies), ",
        COMMITS + "test_commits_of_both_runs_may_come_at_any_distance",
    ),
    Fault(
        "shadow_survives_reset",
        "a shadow that was written before a reset is committed after it",
        BANK,
        "Mux(high, highs.data, words.data) & seen.replicate(32)",
        "Mux(high, highs.data, words.data)",
        COPIED,
    ),
    Fault(
        "token_does_not_stand",
        "the decoder's token goes when its record has gone",
        "hdl/feed/native.py",
        "with m.If(self.i.valid):  # it stands while it passes all stages",
        "with m.If(1):",
        "tests/unit/test_pipeline_streams.py"
        "::test_every_record_and_counter_equals_the_reference[9x5x24-spaced-0]",
    ),
    Fault(
        "decision_of_what_fired_a_clock_too_soon",
        "what makes an event one comes ahead of the votes",
        "hdl/strategy/strategy.py",
        'later(found[name], f"{name}_found", 2)',
        'later(found[name], f"{name}_found", 1)',
        DECIDED,
    ),
    Fault(
        "accepted_a_clock_late",
        "a decision is said to be a clock faster than it is",
        "hdl/pipeline.py",
        'm.d["sync" if config.spaced else "comb"] += accepted.eq(cycle)',
        "m.d.comb += accepted.eq(cycle)",
        STREAMED,
    ),
    Fault(
        "histogram_told_without_its_bin",
        "the bus tells the first bin of a histogram, whichever was asked for",
        "hdl/regs/bank.py",
        "self.array_index.eq(index)",
        "self.array_index.eq(0)",
        "tests/unit/test_pipeline_streams.py"
        "::test_every_record_and_counter_equals_the_reference[3x5x24-0]",
    ),
    Fault(
        "histogram_told_a_clock_early",
        "the bus tells what left the memory before the bin that was asked for",
        "hdl/stats/latency.py",
        "self.count.eq(told.read_data),\n            self.init_done.eq(counted.done),\n        ]",
        "self.init_done.eq(counted.done),\n        ]\n"
        "        m.d.sync += self.count.eq(told.read_data)",
        STREAMED,
    ),
    Fault(
        "keys_equal_in_their_low_half",
        "a level is changed by an update of another whose price ends as its own",
        "hdl/book/compare.py",
        "self.equal[at].eq(low & high)",
        "self.equal[at].eq(low)",
        "tests/unit/test_compare.py::test_every_place_is_smaller_or_equal_as_its_number_is[False]",
    ),
    Fault(
        "record_that_does_not_stand",
        "what admission takes next is seen by the record under way",
        ADMISSION,
        "with m.If(goes):\n                m.d.sync += self.o.p.eq(sent)",
        "m.d.sync += self.o.p.eq(sent)",
        ALONE,
    ),
    Fault(
        "score_a_clock_ahead_of_its_choice",
        "an order carries no score, or another event's",
        "hdl/strategy/strategy.py",
        'score = later(score, "score", 2)',
        'score = later(score, "score", 1)',
        SCORED,
    ),
    Fault(
        "size_of_a_score_that_has_gone",
        "the size of an entry is that of the score a clock later",
        "hdl/strategy/decide.py",
        'before(before(over >= by, f"over{n}"), f"passed{n}")',
        'before(over >= by, f"passed{n}")',
        "tests/unit/test_judged_extremes.py"
        "::test_an_entry_grows_by_a_quarter_with_each_step_of_the_score[2-spaced]",
    ),
    Fault(
        "counter_loses_pulse_of_its_turn",
        "a pulse in the clock in which the sum takes its counter is lost",
        COUNTERS,
        "Mux(turn == at, 0, came[at]) + pulses[name]",
        "Mux(turn == at, 0, came[at] + pulses[name])",
        COUNTED,
    ),
    Fault(
        "counter_survives_reset",
        "a counter goes on from what it was before a reset",
        COUNTERS,
        "was.eq(Mux(zero, 0, read.data))",
        "was.eq(read.data)",
        COUNTED,
    ),
    Fault(
        "counter_in_too_few_bits",
        "pulses between two visits of the sum are counted in a bit less than they may need",
        COUNTERS,
        "range(((turns - 1) // least + 1) + 1)",
        "range(((turns - 1) // least + 1) // 2 + 1)",
        COUNTED,
    ),
    Fault(
        "counter_wraps",
        "a counter in memory begins again behind its greatest value",
        COUNTERS,
        "total[:_BITS] | total[_BITS].replicate(_BITS)",
        "total[:_BITS]",
        "tests/unit/test_registers.py::test_a_counter_in_memory_stops_at_its_greatest_value",
    ),
    Fault(
        "write_into_commit",
        "a write over AXI4-Lite changes shadows while they are committed",
        "hdl/top_axi.py",
        "lite.hold.eq(left != 0)",
        "lite.hold.eq(0)",
        "tests/system/test_links_same.py::test_commits_one_behind_the_other_are_made_whole[axi]",
    ),
    Fault(
        "words_not_swept",
        "rows of words hold what they held before a reset",
        SPREAD,
        "write.en.eq((self.write_en & mine) | ~self.done)",
        "write.en.eq(self.write_en & mine)",
        COPIED,
    ),
    Fault(
        "sum_of_words_not_turned",
        "the checksum turns a wide register's second half as its first",
        LIMITS,
        "_rotated(high, (base + 1)[:4])",
        "_rotated(high, base)",
        SUMMED,
    ),
)
