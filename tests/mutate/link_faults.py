# SPDX-License-Identifier: Apache-2.0
"""Faults of the links through memory: batches, widths, memory port, control port."""

from tests.mutate.fault import Fault

__all__ = ["LINK_FAULTS"]

BATCH, CLEAR = "hdl/link/batch.py", "hdl/link/clear.py"
WIDTH, CONTROL = "hdl/link/axi/width.py", "hdl/link/axi/control.py"
READER, WRITER = "hdl/link/axi/reader.py", "hdl/link/axi/writer.py"

_KERNEL = "tests/cocotb/test_kernel.py::test_kernel"
ORDER = f"{_KERNEL}[batches_come_back_once_and_in_order]"
WRONG = f"{_KERNEL}[registers_through_batches]"
ANSWERED = (
    "tests/unit/test_axi_writer.py"
    "::test_a_run_is_over_when_the_last_write_was_acknowledged_and_not_before[40]"
)
HANDSHAKE = f"{_KERNEL}[control_port_keeps_its_handshake]"
WIDEN = (
    "tests/unit/test_link_widths.py::test_beats_of_a_batch_are_torn_where_bytes_are_missing[64-0.0]"
)

LINK_FAULTS: tuple[Fault, ...] = (
    Fault(
        "batch_short_untold",
        "a batch that ends early counts as whole",
        BATCH,
        "with m.If(beat.torn | (beat.last & (left != 1))):",
        "with m.If(beat.torn):",
        WRONG,
    ),
    Fault(
        "batch_long_taken",
        "what comes behind the last record is read as the next header",
        BATCH,
        "with m.Elif((left == 1) & ~beat.last):",
        "with m.Elif((left == 1) & ~beat.last & beat.torn):",
        WRONG,
    ),
    Fault(
        "batch_loss_unmarked",
        "after a loss the symbols stay valid",
        BATCH,
        "state.eq(Mux(beat.last, _State.CLEAR, _State.SKIP)),",
        "state.eq(Mux(beat.last, _State.QUIET, _State.SKIP)),",
        WRONG,
    ),
    Fault(
        "clear_one_side",
        "only the bids of a symbol are made invalid",
        CLEAR,
        "last = asks & (symbol == self.symbols - 1)",
        "last = symbol == self.symbols - 1",
        WRONG,
    ),
    Fault(
        "widen_torn_forgotten",
        "bytes that are missing from the first half of a beat go unnoticed",
        WIDTH,
        "((at != 0) & self.o.p.torn) | ~whole",
        "~whole",
        WIDEN,
    ),
    Fault(
        "widen_cut_untorn",
        "a packet that ends within a beat is whole",
        WIDTH,
        "| ~whole | (at != parts - 1) & ends",
        "| ~whole",
        WIDEN,
    ),
    Fault(
        "reader_crosses_pages",
        "a burst runs over the edge of a page",
        READER,
        "to_edge.eq(BURST - place[: (BURST - 1).bit_length()]),",
        "to_edge.eq(BURST),",
        f"{_KERNEL}[no_burst_crosses_a_page]",
    ),
    Fault(
        "reader_forgets_bursts",
        "more bursts are asked for than are counted",
        READER,
        "m.d.sync += ahead.eq(ahead + asks - ends)",
        "m.d.sync += ahead.eq(ahead + asks)",
        ORDER,
    ),
    Fault(
        "reader_one_unit_less",
        "the last unit of a batch that fills a beat is not asked for",
        READER,
        "wanted.eq((self.units + (_UNITS - 1)) >> 2),",
        "wanted.eq((self.units + (_UNITS - 2)) >> 2),",
        ORDER,
    ),
    Fault(
        "writer_does_not_wait",
        "a run is over before the memory has taken its last write",
        WRITER,
        "self.finished.eq(running & closing & (under_way == 0)),",
        "self.finished.eq(running & closing),",
        ANSWERED,
    ),
    Fault(
        "writer_overruns",
        "a run goes on where the next packet may not fit",
        WRITER,
        "(room <= MOST_RECORDS + 1)",
        "(room <= 1)",
        f"{_KERNEL}[a_long_answer_goes_on_with_the_next_run]",
    ),
    Fault(
        "control_starts_before_continue",
        "a run begins before the host has seen the end of the last one",
        CONTROL,
        "self.start.eq(wanted & ~running & ~done),",
        "self.start.eq(wanted & ~running),",
        HANDSHAKE,
    ),
    Fault(
        "control_ready_stays",
        "the host is told again that the next run may start",
        CONTROL,
        "m.d.sync += ready.eq(0)",
        "m.d.sync += ready.eq(ready)",
        HANDSHAKE,
    ),
)
