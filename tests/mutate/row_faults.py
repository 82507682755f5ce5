# SPDX-License-Identifier: Apache-2.0
"""Faults of a row: how it is moved, decided, and mended."""

from tests.mutate.fault import (
    AHEAD,
    COMPARE,
    DECIDE,
    DENSE,
    DIRECTED,
    FINDINGS,
    LADDER,
    NEAR,
    OPERATION,
    ROW,
    Fault,
)

__all__ = ["ROW_FAULTS"]

_MOVES = (
    Fault(
        "lift_too_few",
        "An insert leaves the level just behind it where it was, which is lost.",
        ROW,
        "Cat(before, shift.evicts),",
        "Cat(before & Cat(Const(0, 1), before[:-1]), shift.evicts),",
        DENSE,
    ),
    Fault(
        "lift_too_far",
        "An insert lifts its own place as well, so that it is not put.",
        ROW,
        "Cat(before, shift.evicts),",
        "Cat(up, shift.evicts),",
        DENSE,
    ),
    Fault(
        "lift_without_horizon",
        "An eviction drops the worst level, but leaves the horizon.",
        ROW,
        "Cat(before, shift.evicts),",
        "Cat(before, Const(0, 1)),",
        DENSE,
    ),
    Fault(
        "lower_without_last",
        "A delete leaves in the last place what had been found about it.",
        ROW,
        "Cat(behind & ~up, Const(0, 1)),",
        "Cat((behind & ~up)[:-1], Const(0, 2)),",
        f"{DIRECTED}::test_a_full_side_that_loses_a_level_takes_a_worse_one_at_once[None-40]",
    ),
    Fault(
        "lower_one_late",
        "A delete takes away the level behind its own.",
        ROW,
        "Cat(behind & ~up, Const(0, 1)),",
        "Cat(Cat(Const(0, 1), behind[:-1]) & ~up, Const(0, 1)),",
        DENSE,
    ),
    Fault(
        "lower_brings_a_finding",
        "A delete brings a finding into the last place, where there is no level.",
        ROW,
        "(Cat(places[1:], Const(0, 1)) & lower)",
        "(Cat(places[1:], Const(1, 1)) & lower)",
        DENSE,
    ),
    Fault(
        "put_without_finding",
        "What a token behind finds is not compared with a level that is put.",
        ROW,
        "(Value.cast(new).replicate(width) & put)",
        "(places & put)",
        DENSE,
    ),
    Fault(
        "put_from_there_on",
        "An insert puts its finding into all places behind its own as well.",
        ROW,
        "Cat(up & ~before, shift.bounds),",
        "Cat(up, shift.bounds),",
        DENSE,
    ),
    Fault(
        "resize_from_there_on",
        "A change gives its quantity to all levels behind as well.",
        DECIDE,
        "self.resize.eq(only(change, equal)),",
        "self.resize.eq(only(change, steps.behind)),",
        DENSE,
    ),
    Fault(
        "resize_lost",
        "A change leaves the quantity.",
        LADDER,
        "(qtys, value, value)",
        "(qtys, value, None)",
        DENSE,
    ),
    Fault(
        "zero_quantity_inserted",
        "A delete of a level that is not there adds one of quantity 0.",
        DECIDE,
        "add.eq(store & ~hit & ~asked.zero)",
        "add.eq(store & ~hit)",
        DENSE,
    ),
)

_NEAR = (
    Fault(
        "near_of_any_row",
        "The token just ahead moves a token's findings though it is on another row.",
        LADDER,
        "(near_steps[4][bit].eq(decide.steps[bit] & same[3][4])",
        "(near_steps[4][bit].eq(decide.steps[bit])",
        DENSE,
    ),
    Fault(
        "second_near_of_any_row",
        "The token two ahead moves a token's findings though it is on another row.",
        LADDER,
        "(near_steps[5][bit].eq(decide.steps[bit] & same[2][4])",
        "(near_steps[5][bit].eq(decide.steps[bit])",
        DENSE,
    ),
    Fault(
        "near_delete_not_told",
        "A token is told of the levels put ahead of it, not of those that are gone.",
        ROW,
        "(steps.adds | steps.deletes).replicate",
        "steps.adds.replicate",
        DENSE,
    ),
    Fault(
        "near_eviction_not_told",
        "What was found about the last level stays there when the level becomes the horizon.",
        ROW,
        "lift, put, lower = (each[:width] for each in _shifts(shift))",
        "lift, put, lower = (each[:width] for each in _shifts(shift))\n"
        "    lift = lift & ~Cat(Const(0, width - 1), shift.evicts)",
        DENSE,
    ),
    Fault(
        "hit_after_near_delete",
        "A token still finds the level that the one just ahead deletes.",
        AHEAD,
        "moves.deletes & equal | moves.clears",
        "moves.clears",
        DENSE,
    ),
    Fault(
        "hit_misses_near_insert",
        "A token does not find the level that the one just ahead adds.",
        AHEAD,
        "moves.adds & equal",
        "moves.adds & 0",
        DENSE,
    ),
    Fault(
        "beyond_misses_near_eviction",
        "A token does not see the horizon that the one just ahead makes by evicting.",
        DECIDE,
        "Mux(ahead.evicts, self.reached[0], self.reached[1])",
        "self.reached[1]",
        DENSE,
    ),
    Fault(
        "beyond_misses_near_horizon",
        "A token does not see the horizon that the one just ahead puts.",
        AHEAD,
        "moves.bounds & (better | equal)",
        "moves.bounds & 0",
        DENSE,
    ),
    Fault(
        "near_clear_keeps_hit",
        "A token finds its price in a side that the one just ahead emptied.",
        AHEAD,
        "moves.deletes & equal | moves.clears",
        "moves.deletes & equal",
        NEAR,
    ),
    Fault(
        "near_clear_keeps_horizon",
        "A token lies beyond the horizon of a side that the one just ahead emptied.",
        DECIDE,
        "| (~ahead.clears & Mux(",
        "| (1 & Mux(",
        NEAR,
    ),
    Fault(
        "near_clear_keeps_tail",
        "A token is worse than all of a side that the one just ahead emptied.",
        DECIDE,
        "tail.eq(better[last] & ~ahead.clears)",
        "tail.eq(better[last])",
        NEAR,
    ),
    Fault(
        "near_clear_keeps_worse",
        "A snapshot's end sees levels that its beginning just ahead took away.",
        DECIDE,
        "(worse_kept & ~ahead.clears)",
        "worse_kept",
        NEAR,
    ),
    Fault(
        "near_clear_keeps_places",
        "A token into a side that the one just ahead emptied is put behind levels long gone.",
        DECIDE,
        "behind.eq(~better | near.clears.replicate(levels))",
        "behind.eq(~better)",
        DENSE,
    ),
    Fault(
        "worse_misses_near_insert",
        "A snapshot's end does not see that its last level lies beyond the horizon.",
        AHEAD,
        "moves.adds & ~better",
        "moves.adds & 0",
        DENSE,
    ),
    Fault(
        "worse_after_near_eviction",
        "A snapshot's end sees a level that its last one evicted.",
        DECIDE,
        "worse_kept = self.worse.any() | (self.worst & ~ahead.evicts)",
        "worse_kept = self.worse.any() | self.worst",
        f"{DIRECTED}::test_a_snapshot_whose_last_level_evicts_may_end_at_the_evicted_price",
    ),
)

_RULES = (
    Fault(
        "own_eviction_without_horizon",
        "A level that is worse than all of a full side is ignored, and leaves no horizon.",
        DECIDE,
        "steps.bounds.eq((add & tail) | (",
        "steps.bounds.eq((",
        DENSE,
    ),
    Fault(
        "eviction_without_bound",
        "A side that was known whole still counts as such after an eviction.",
        ROW,
        "status.bounded | moves.bounds | moves.evicts",
        "status.bounded | moves.bounds",
        DENSE,
    ),
    Fault(
        "worse_horizon_at_end",
        "A snapshot's end moves the horizon back to a worse price.",
        DECIDE,
        "(loaded & ~asked.whole & ~beyond)",
        "(loaded & ~asked.whole)",
        DENSE,
    ),
    Fault(
        "level_at_horizon_passes",
        "A snapshot's end takes a level at its horizon.",
        FINDINGS,
        "grouped(is_worse[: levels - 1])",
        "grouped((is_worse & ~equal)[: levels - 1])",
        f"{DIRECTED}::test_a_snapshot_that_ends_at_a_level_in_any_place_is_broken[2-7]",
    ),
    Fault(
        "whole_ignored",
        "A snapshot's end with WHOLE puts a horizon.",
        OPERATION,
        "operation.whole.eq(token.whole)",
        "operation.whole.eq(0)",
        DENSE,
    ),
    Fault(
        "update_while_loading_ignored",
        "An update while a side loads leaves it loading, and is lost.",
        DECIDE,
        "broken = overrun | (asked.update & loading)",
        "broken = overrun",
        DENSE,
    ),
    Fault(
        "overrun_kept",
        "A snapshot that overruns its horizon is taken.",
        DECIDE,
        "loaded = ends & ~overrun",
        "loaded = ends",
        DENSE,
    ),
    Fault(
        "clear_keeps_horizon",
        "A side that is emptied keeps its horizon.",
        ROW,
        "only(kept, bounded)",
        "bounded",
        DENSE,
    ),
    Fault(
        "clear_keeps_levels",
        "A side that is emptied keeps the marks of its places.",
        ROW,
        "only(kept, places)",
        "places",
        DENSE,
    ),
    Fault(
        "depth_over_capacity",
        "An eviction counts as one level more.",
        ROW,
        "depth + ~held[-1]",
        "depth + 1",
        DENSE,
    ),
    Fault(
        "counts_swapped",
        "Changes count as deletes and deletes as changes.",
        DECIDE,
        "counts.level_changes.eq(tape & change),\n"
        "            counts.level_deletes.eq(tape & moves.deletes),",
        "counts.level_deletes.eq(tape & change),\n"
        "            counts.level_changes.eq(tape & moves.deletes),",
        DENSE,
    ),
    Fault(
        "own_eviction_uncounted",
        "A level that is worse than all of a full side does not count as an eviction.",
        DECIDE,
        "counts.level_evicts.eq(tape & add & full)",
        "counts.level_evicts.eq(tape & moves.evicts)",
        DENSE,
    ),
    Fault(
        "refill_counts_as_inserts",
        "Levels of a snapshot count as inserts.",
        DECIDE,
        "counts.level_inserts.eq(tape & moves.adds)",
        "counts.level_inserts.eq(moves.adds)",
        DENSE,
    ),
)


def _mend(name: str, what: str, old: str, new: str, file: str = LADDER) -> Fault:
    """One of the ladder's mends is missing."""
    return Fault(name, f"A token misses {what}.", file, old, new, DENSE)


_KEYS = "keys[n + 1][at].eq(Mux(take[n, 6][at], keys[6][at], keys[n][at]))"
_STATUS = "Mux(same[n][5], status[5].as_value(), status[n].as_value())"
_MENDS = (
    _mend(
        "better_where_nothing_is",
        "that a place it found better holds nothing",
        "                better & there,",
        "                better,",
        FINDINGS,
    ),
    Fault(
        "equal_where_nothing_is",
        "A token misses that a place it found equal holds nothing; only its quantity would change.",
        FINDINGS,
        "is_equal, is_worse = equal & there,",
        "is_equal, is_worse = equal,",
        "formal:ladder_in_turn",
    ),
    _mend(
        "worse_where_nothing_is",
        "that a place it found worse holds nothing",
        ", ~better & there\n",
        ", ~better\n",
        FINDINGS,
    ),
    _mend(
        "horizon_where_none_is",
        "that there is no horizon",
        "Cat(status[3].held, status[3].bounded)",
        "Cat(status[3].held, 1)",
    ),
    _mend(
        "left_of_stage_4",
        "which places are held after the token just ahead",
        "left.held.eq(decide.status.held)",
        "left.held.eq(status[4].held)",
    ),
    _mend(
        "near_never_better",
        "that the price of the token just ahead is better",
        "near_better.eq(hazards.better3[4])",
        "near_better.eq(0)",
    ),
    _mend(
        "near_never_equal",
        "that the price of the token just ahead is its own",
        "near_equal.eq(hazards.equal3[4])",
        "near_equal.eq(0)",
    ),
    _mend(
        "keys_of_a_write",
        "the keys written in the clock in which it reads",
        "read = Mux(same[1][7], keys[7][at], read_keys.data[at])",
        "read = read_keys.data[at]",
    ),
    _mend(
        "keys_in_stage_1",
        "the keys that stand as its own leave the memory",
        "keys[2][at].eq(Mux(same[1][6], keys[6][at], read))",
        "keys[2][at].eq(read)",
    ),
    *(
        _mend(
            f"keys_in_stage_{n}",
            f"the keys that stand while it is in stage {n}",
            _KEYS,
            _KEYS.replace("take[n, 6][at]", f"take[n, 6][at] & (n != {n})"),
        )
        for n in (2, 3, 4)
    ),
    _mend(
        "better_of_keys_in_stage_2",
        "the keys that stand as it compares, in what it finds better",
        "self.better[at].eq(key < token)",
        "self.better[at].eq(self.keys[at] < token)",
        COMPARE,
    ),
    _mend(
        "equal_of_keys_in_stage_2",
        "the keys that stand as it compares, in what it finds equal",
        "self.equal[at].eq(~(key ^ token).any())",
        "self.equal[at].eq(~(self.keys[at] ^ token).any())",
        COMPARE,
    ),
    _mend(
        "horizon_of_the_newest_row",
        "the horizon of the row that stands",
        "Cat(status[ahead - 1].held, status[ahead - 1].bounded)",
        "Cat(status[ahead - 1].held, 0)",
    ),
    _mend(
        "keys_in_stage_5",
        "the row that stands as it moves its own",
        "Mux(taken, newest, old)",
        "old",
    ),
    _mend(
        "status_of_a_write",
        "the status that was written in the clock in which it read",
        "Mux(same[1][7], status[7].as_value(), statuses.read_data.as_value())",
        "statuses.read_data.as_value()",
    ),
    _mend(
        "status_not_yet_written",
        "the status that is about to be written as it reads",
        "Mux(same[1][6], status[6].as_value(), written)",
        "written",
    ),
    _mend(
        "status_in_stage_1",
        "the status that stands as its own leaves the memory",
        "Mux(same[1][5], status[5].as_value(), read_status)",
        "read_status",
    ),
    *(
        _mend(
            f"status_in_stage_{n}",
            f"the status that stands while it is in stage {n}",
            _STATUS,
            _STATUS.replace("same[n][5]", f"same[n][5] & (n != {n})"),
        )
        for n in (2, 3)
    ),
    _mend(
        "status_in_stage_4",
        "the status that the token just ahead leaves",
        "decide.status.eq(Mux(same[4][5], status[5].as_value(), status[4].as_value()))",
        "decide.status.eq(status[4])",
    ),
    _mend(
        "places_in_stage_3",
        "which places are held after the token two ahead",
        "findings.follows.eq(same[3][5])",
        "findings.follows.eq(0)",
    ),
    _mend(
        "qtys_of_a_write",
        "the quantities written in the clock in which it reads",
        "Mux(take[4, 7][at], qtys[7][at], read_qtys.data[at])",
        "read_qtys.data[at]",
    ),
    _mend(
        "qtys_in_stage_4",
        "the quantities that stand as its own leave the memory",
        "Mux(take[4, 6][at], qtys[6][at], read)",
        "read",
    ),
    *(
        _mend(
            f"{name}_{ahead}_in_stage_3",
            f"that a token in stage {ahead} moved what it found {name} while in stage 3",
            f"{name} = moved_bits({name}, shift, mover.{name})",
            f"{name} = moved_bits({name}, shift, mover.{name}) if mover is {other} else {name}",
            FINDINGS,
        )
        for other, ahead in (("self.second", 6), ("self.third", 5))
        for name in ("better", "equal")
    ),
)

#: Every fault of a row.
ROW_FAULTS = (*_MOVES, *_NEAR, *_RULES, *_MENDS)
