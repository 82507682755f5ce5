# SPDX-License-Identifier: Apache-2.0
"""Faults of the feed decoders, SBE and ITCH."""

from tests.mutate.fault import Fault

__all__ = ["FEED_FAULTS"]

WALK, SEQUENCE, EXACT = "hdl/feed/sbe/walk.py", "hdl/feed/sbe/sequence.py", "hdl/feed/sbe/exact.py"
RECORDER, FOLLOW, SBE = (
    "hdl/feed/sbe/recorder.py",
    "hdl/feed/sbe/follow.py",
    "hdl/feed/sbe/decoder.py",
)
MOLD, DECODER, ENGINE, STEPS, DEPARTURE, ARRIVAL = (
    f"hdl/feed/itch/{name}.py"
    for name in ("mold", "decoder", "engine", "steps", "departure", "arrival")
)
ORDERS, TOTALS, HOLD = "hdl/feed/itch/orders.py", "hdl/feed/itch/totals.py", "hdl/feed/itch/hold.py"
EVENTS, INGRESS = "hdl/feed/itch/events.py", "hdl/feed/ingress.py"

_OF_SBE = "tests/unit/test_sbe_decoder.py::test_"
RANDOM = f"{_OF_SBE}random_and_broken_messages_give_what_the_reference_gives[0-16]"
BEFORE = f"{_OF_SBE}a_message_refused_before_its_first_record_makes_no_tick[16]"
LATE = f"{_OF_SBE}what_is_found_out_late_marks_the_symbol_and_ends_no_event[8]"
APPENDED = f"{_OF_SBE}blocks_with_appended_fields_decode_unchanged[4]"
BEHIND = f"{_OF_SBE}bytes_behind_the_message_are_passed_over_from_version_1_on[16]"
RULE = f"{_OF_SBE}the_sequence_continues_overlaps_repeats_and_breaks_as_the_rule_says"
UNITS = f"{_OF_SBE}units_of_any_size_are_exact_or_refused"
SNAPSHOT = f"{_OF_SBE}a_snapshot_becomes_refills_that_end_beyond_their_last_level[16]"
SPEED = f"{_OF_SBE}levels_of_a_group_leave_at_the_speed_of_their_bytes[16-1]"

_OF_ITCH = "tests/unit/test_itch_feed.py::test_"
FLOW = f"{_OF_ITCH}random_flow_is_the_reference_record_for_record[1-tiny]"
ROW_ORDERS = f"{_OF_ITCH}orders_of_one_row_are_told_apart_until_it_is_full[tiny]"
ROW_LEVELS = f"{_OF_ITCH}levels_of_one_row_are_told_apart_until_it_is_full[tiny]"
BAD_PACKETS = f"{_OF_ITCH}bad_packets_are_counted_and_only_their_whole_messages_count[tiny]"
EARLY = (
    "tests/unit/test_itch_latency.py::test_a_level_is_told_6_cycles_after_the_last_byte_it_needs[8]"
)
FABRIC = (
    "tests/unit/test_itch_fabric.py::"
    "test_packets_among_frames_and_records_give_what_the_reference_gives[stalls0]"
)

_SBE = (
    Fault(
        "sbe_long_taken",
        "bytes behind a message of the known version are let go by",
        WALK,
        "past.eq(Mux(refused, follow.reason, Mux(later, Reason.NONE, Reason.LONG))),",
        "past.eq(Mux(refused, follow.reason, Reason.NONE)),",
        LATE,
    ),
    Fault(
        "sbe_appended_refused",
        "bytes that a later version appends refuse its messages",
        FOLLOW,
        'self.later.eq(told["version"] > schema.version),',
        'self.later.eq(told["version"] < schema.version),',
        BEHIND,
    ),
    Fault(
        "sbe_entries_of_16",
        "entries are as long as in version 0, whatever the message says",
        FOLLOW,
        "                    self.length.eq(self.group_block),",
        "                    self.length.eq(16),",
        APPENDED,
    ),
    Fault(
        "sbe_gap_by_one",
        "a message that leaves out one update id is taken",
        SEQUENCE,
        "Reason.GAP: first_id > state.next,",
        "Reason.GAP: first_id > state.next + 1,",
        RULE,
    ),
    Fault(
        "sbe_last_id_again",
        "a message of the book's own last id is applied again",
        SEQUENCE,
        "Reason.STALE: last_id < state.next,",
        "Reason.STALE: last_id < state.last,",
        RULE,
    ),
    Fault(
        "sbe_any_exponent",
        "an exponent of quantities is not compared",
        SEQUENCE,
        "            | (exponents[8:] != scale.qty.exponent),",
        "            | (exponents[8:] != exponents[8:]),",
        BEFORE,
    ),
    Fault(
        "sbe_rounded",
        "a mantissa between two ticks is rounded down",
        EXACT,
        "(quotient <= unit.bound) & ((quotient & low) == 0)",
        "(quotient <= unit.bound)",
        UNITS,
    ),
    Fault(
        "sbe_wraps",
        "a mantissa that is no multiple of the odd part passes",
        EXACT,
        "self.exact.eq(~negative[1] & (quotient <= unit.bound)",
        "self.exact.eq(~negative[1]",
        UNITS,
    ),
    Fault(
        "sbe_event_ends_anyway",
        "a message found to be wrong at its end still ends its event",
        RECORDER,
        "slot.emit.eq(taken & ~self.hold & (index == 0))",
        "slot.emit.eq(~self.hold & (index == 0))",
        RANDOM,
    ),
    Fault(
        "sbe_no_mark",
        "a symbol of which a message was refused midway is not marked",
        RECORDER,
        "mark.eq(~taken & self.known & (message.begun | ((action == Action.DIFF) & ~harmless))),",
        "mark.eq(~taken & self.known & ((action == Action.DIFF) & ~harmless & ~message.begun)),",
        LATE,
    ),
    Fault(
        "sbe_beyond_at",
        "a snapshot vouches for one tick less than it lists",
        RECORDER,
        "m.d.comb += beyond.eq(message.deepest - 1)",
        "m.d.comb += beyond.eq(message.deepest)",
        SNAPSHOT,
    ),
    Fault(
        "sbe_second_beat_first",
        "an entry that runs on into a beat is read as if it began there",
        WALK,
        "m.d.sync += beat.eq(Mux(runs_on, 2, 1))",
        "m.d.sync += beat.eq(1)",
        f"{_OF_SBE}a_depth_diff_becomes_an_event_with_bids_before_asks[16]",
    ),
    Fault(
        "sbe_damaged_taken",
        "the mark of a damaged frame is not looked at",
        SBE,
        "reason = Mux(walk.error & replaced, Reason.DAMAGED, walk.reason)",
        "reason = walk.reason",
        LATE,
    ),
    Fault(
        "sbe_pause",
        "records leave in every second clock only",
        RECORDER,
        "free, last = ~self.o.valid | self.o.ready, index == count",
        "free, last = ~self.o.valid, index == count",
        SPEED,
    ),
)

_ITCH = (
    Fault(
        "itch_tag_cut",
        "the upper half of a reference is not compared",
        ORDERS,
        "(read.ref == refs[1])",
        "(read.ref[:32] == refs[1][:32])",
        ROW_ORDERS,
    ),
    Fault(
        "itch_any_symbol",
        "an order of another symbol with the same reference is found",
        ORDERS,
        "same = read.used & (read.ref == refs[1]) & (read.symbol == self.symbol)",
        "same = read.used & (read.ref == refs[1])",
        f"{_OF_ITCH}an_order_is_known_by_its_reference_and_its_symbol",
    ),
    Fault(
        "itch_full_is_silent",
        "an order without room in its row leaves the symbol valid",
        ENGINE,
        "fails_new = arrival.twin | arrival.no_room | arrival.level_full",
        "fails_new = arrival.twin | arrival.level_full",
        ROW_ORDERS,
    ),
    Fault(
        "itch_level_full_is_silent",
        "an order without room for its level leaves the symbol valid",
        ENGINE,
        "fails_new = arrival.twin | arrival.no_room | arrival.level_full",
        "fails_new = arrival.twin | arrival.no_room",
        ROW_LEVELS,
    ),
    Fault(
        "itch_sides_mixed",
        "bids and asks of a price are one level",
        TOTALS,
        "same = Cat(level.symbol, level.sell, level.price) == key.as_value()",
        "same = Cat(level.symbol, key.sell, level.price) == key.as_value()",
        f"{_OF_ITCH}a_price_may_rest_on_both_sides_and_for_several_symbols",
    ),
    Fault(
        "itch_replace_same_level",
        "a replace at its old price adds to the shares of before",
        ARRIVAL,
        "total.eq(Mux(same, self.left_total, base) + self.shares)",
        "total.eq(base + self.shares)",
        f"{_OF_ITCH}each_message_tells_the_absolute_shares_at_its_price",
    ),
    Fault(
        "itch_excess_passes",
        "an execution of more shares than the order has is taken",
        DEPARTURE,
        "self.excess.eq(~self.entire & less[32]),",
        "self.excess.eq(0),",
        f"{_OF_ITCH}a_message_that_cannot_be_true_breaks_its_symbol_and_is_counted[execute_more]",
    ),
    Fault(
        "itch_cut_counts",
        "a message cut by the packet's end changes the book",
        STEPS,
        "with m.If(self.cut & open_ & self.busy):",
        "with m.If(self.cut & open_ & self.busy & awaits):",
        BAD_PACKETS,
    ),
    Fault(
        "itch_gap_is_silent",
        "messages that are missing leave every symbol valid",
        MOLD,
        "m.d.comb += [counts.mold_gaps.eq(1), self.lost.eq(1)]",
        "m.d.comb += [counts.mold_gaps.eq(1)]",
        f"{_OF_ITCH}a_gap_makes_every_mapped_symbol_invalid_at_once",
    ),
    Fault(
        "itch_again",
        "messages that came before are applied again",
        MOLD,
        "self.o.valid.eq(self.i.valid & fresh & ~over),",
        "self.o.valid.eq(self.i.valid & ~over),",
        f"{_OF_ITCH}messages_that_came_before_are_ignored",
    ),
    Fault(
        "itch_any_length",
        "a message of another length than its type's is decoded",
        DECODER,
        "(view[0] == ord(kind)) & (beat.length == length) for kind, length in LENGTHS.items()",
        "(view[0] == ord(kind)) & (beat.length >= length) for kind, length in LENGTHS.items()",
        f"{_OF_ITCH}messages_of_a_wrong_length_or_an_unknown_type_give_no_level[tiny]",
    ),
    Fault(
        "itch_damaged_passes",
        "a frame the source marks as damaged is believed",
        HOLD,
        "sound = fits & ~self.i.p.error",
        "sound = fits",
        BAD_PACKETS,
    ),
    Fault(
        "itch_broken_by_one_clear",
        "only the bids of a broken symbol become unknown",
        EVENTS,
        'tell(change.broken | sweeping, InKind.CLEAR, gap | side, 0, 0, "END")',
        'tell(sweeping, InKind.CLEAR, gap | side, 0, 0, "END")',
        f"{_OF_ITCH}an_unknown_reference_breaks_its_symbol_alone_until_a_restart",
    ),
    Fault(
        "itch_a_cycle_late",
        "an order's shares leave a cycle later",
        DECODER,
        "starts.eq(useful & (beat.start <= need) & (beat.end > need) & ~beat.cut),",
        "starts.eq(useful & (beat.start <= need + 1) & (beat.end > need + 1) & ~beat.cut),",
        EARLY,
    ),
    Fault(
        "ingress_overtaken",
        "a record may pass the records of the frame before it",
        INGRESS,
        "open_ = (state == _State.RECORDS) & self.at_rest",
        "open_ = (state == _State.RECORDS) & (self.at_rest | ~self.decoded.valid)",
        FABRIC,
    ),
)

FEED_FAULTS: tuple[Fault, ...] = (*_SBE, *_ITCH)
