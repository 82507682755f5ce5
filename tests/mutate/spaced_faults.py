# SPDX-License-Identifier: Apache-2.0
"""Faults of the spaced build, and of the copies the registers are read back from."""

from tests.mutate.fault import Fault

__all__ = ["SPACED_FAULTS"]

ADMISSION, SPREAD, BANK = "hdl/link/admission.py", "hdl/spread.py", "hdl/regs/bank.py"

ALONE = "formal:admission_one_at_a_time"
ROWS = "tests/unit/test_spread.py::test_rows_come_back_whole_and_are_zero_after_each_reset[1001-16]"
BACK = "tests/unit/test_registers.py::test_what_is_written_is_read_back_and_nothing_else_moves"

SPACED_FAULTS: tuple[Fault, ...] = (
    Fault(
        "spaced_by_one_less",
        "a record comes a clock before the one ahead has left",
        ADMISSION,
        "rest.eq(Mux(self.o.valid, IN_FLIGHT, rest - (rest != 0)))",
        "rest.eq(Mux(self.o.valid, IN_FLIGHT - 1, rest - (rest != 0)))",
        ALONE,
    ),
    Fault(
        "spaced_but_for_resets",
        "the fabric's own records do not wait",
        ADMISSION,
        "self.own.eq(resetting & self.swept & here & free)",
        "self.own.eq(resetting & self.swept & here)",
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
)
