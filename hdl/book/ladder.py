# SPDX-License-Identifier: Apache-2.0
"""The ladders: every side of every book behind one pipeline, one token a clock."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.ahead import ahead_layout, ahead_of
from hdl.book.compare import Compare, shares
from hdl.book.decide import COUNTS, Decide
from hdl.book.findings import Findings
from hdl.book.hazards import STAGES, Hazards
from hdl.book.operation import decode, operation_layout
from hdl.book.row import (
    held_after,
    moved,
    moves_layout,
    moves_of,
    only,
    price_to_key,
    shift_layout,
    shift_of,
    status_layout,
    steps_layout,
)
from hdl.config import BuildConfig
from hdl.memory import FEW, SweptMemory, block_ram
from hdl.types import SideState, count_layout, flow, token_layout

__all__ = ["LATENCY", "Ladder", "rung_layout"]

#: Cycles from a token to its row.
LATENCY = 5
#: Stages of a token and of the row that replaces its own there.
TAKEN = ((2, 6), (3, 6), (4, 6), (4, 7), (5, 6))
#: Steps without which the others mean nothing to the token behind.
NEAR_BITS = ("adds", "evicts", "deletes", "bounds", "clears")


def rung_layout(config: BuildConfig) -> data.StructLayout:
    """A row after a token."""
    return data.StructLayout(
        {
            "token": token_layout(config),
            "status": status_layout(config),
            "keys": data.ArrayLayout(config.price_bits, config.levels),
            "qtys": data.ArrayLayout(config.qty_bits, config.levels),
            "horizon": config.price_bits,  # key
            "shown": config.view_levels,  # place holds a level of a KNOWN side
            "counted": config.view_levels,  # and it counts towards the sum
            "row": config.row_bits,
        }
    )


def stage_layout(config: BuildConfig) -> data.StructLayout:
    """A token under way."""
    return data.StructLayout(
        {
            "valid": 1,
            "token": token_layout(config),
            "addr": config.row_bits,
            "key": config.price_bits,
            "operation": operation_layout(),
        }
    )


def places(name: str, count: int, bits: int) -> list[Signal]:
    """A row's places, each a register of its own."""
    return [Signal(bits, name=f"{name}_{at}", reset_less=True) for at in range(count)]


class Ladder(wiring.Component):
    """Read a row, compare, decide, move, write back.

    ::

        0 address     1 keys and status leave the memory    2 compare keys     3 mend
        4 decide      5 move the row                        6 the row stands; write back
        quantities:   3 address     4 they leave the memory

    The memory a token has read does not yet hold what the six tokens ahead of it write. Two things
    follow such a token and are mended on the way. Its row: in each clock the row that has just come
    to stand in stage 6 replaces it, if it is the same one; which places it takes, those in which
    that row holds something, is on registers of each place. And its findings, how its key compares
    with each place: they are never made again, but moved as the row was moved by the tokens
    ahead, one of them after the other, the last in stage 4 itself. So no two tokens ever wait for
    each other, whatever rows they touch.

    Latency is `LATENCY` cycles to `o`, throughput one token a cycle. The address is wanted one
    cycle before the token.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(9)
        Row of the token that comes with the next clock: side, then symbol.
    i : In(flow(token_layout))
        Tokens; kinds that are not about levels pass through.
    o : Out(flow(rung_layout))
        The token's row after it.
    levels_n : In(4)
        N, at most the levels that are visible.
    behind : Out(symbol, row)
        Of the token that comes with the next clock.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Rows are swept; with the next clock `ahead` may come.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(9),
                "i": In(flow(token_layout(config))),
                "o": Out(flow(rung_layout(config))),
                "levels_n": In(4),
                "behind": Out(data.StructLayout({"symbol": 8, "row": config.row_bits})),
                "counts": Out(count_layout(*COUNTS)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        levels, row_bits = config.levels, config.row_bits

        block: dict[str, Any] = {"depth": config.rows, "init": [], "attrs": block_ram(True)}
        keys_shape = data.ArrayLayout(config.price_bits, levels + 1)
        qtys_shape = data.ArrayLayout(config.qty_bits, levels)
        # Few and narrow rows: in LUT RAM they stand beside what they are mended with.
        m.submodules.status = statuses = SweptMemory(
            status_layout(config),
            config.rows,
            forwarded=True,
            style="block" if config.rows > FEW else "distributed",
        )
        m.submodules.keys = key_rows = memory.Memory(shape=keys_shape, **block)
        m.submodules.qtys = qty_rows = memory.Memory(shape=qtys_shape, **block)
        m.submodules.hazards = hazards = Hazards(config)
        m.submodules.findings = findings = Findings(config)
        m.submodules.decide = decide = Decide(config)
        read_keys, read_qtys = key_rows.read_port(), qty_rows.read_port()

        # The token on its way through stages 1 to 6.
        stage = {n: Signal(stage_layout(config), name=f"stage{n}") for n in range(1, STAGES)}
        spaced = config.spaced
        # In a spaced build the token stands, so its row is asked for a clock later and stands too.
        row = Signal.like(self.ahead)
        for n in range(2, STAGES):
            passed = ("valid", "operation") if spaced else stage_layout(config).members
            for name in stage_layout(config).members:
                value = stage[n - 1][name]
                m.d["sync" if name in passed else "comb"] += stage[n][name].eq(value)
        if spaced:
            m.d.comb += [row.eq(Cat(self.i.p.side, self.i.p.symbol)), stage[1].addr.eq(row)]
        else:
            m.d.comb += row.eq(self.ahead)
            m.d.sync += stage[1].addr.eq(row)
        decode(m, stage[1].operation, self.i.valid, self.i.p, self.levels_n)
        m.d.comb += [
            stage[1].valid.eq(self.i.valid),
            stage[1].token.eq(self.i.p),
            stage[1].key.eq(price_to_key(self.i.p.price, self.i.p.side)),
            hazards.addr.eq(self.ahead[:row_bits]),
            hazards.valid.eq(stage[1].valid),
            hazards.key.eq(stage[1].key),
        ]

        # Moves and status are known from stage 4 on, rows from 6 on. `near` are the moves of a
        # token ahead, where it is on the row of the one in stage 4, or for 5 and 6 in stage 3.
        steps: Any = Signal(steps_layout(config), reset_less=True)
        # What of them goes to all places of the row, gated before the register: one wire a place.
        shift: Any = Signal(shift_layout(config))
        lifts, resize = Signal(levels), Signal(levels)
        near_steps: dict[int, Any] = {
            4: Signal(steps_layout(config), reset_less=True, name="near_steps4"),
            5: Signal(steps_layout(config), name="near_steps5"),
        }
        moves: Any = Signal(moves_layout(config))
        near: dict[int, Any] = {n: Signal(shift_layout(config), name=f"near{n}") for n in (4, 5, 6)}
        left: Any = Signal(status_layout(config))  # in stage 5, what is held as of the token ahead
        near_better, near_equal, meant = Signal(), Signal(), Signal(ahead_layout())
        # The decision's own copies of same4[5] and of the state left; see "Stage 4".
        follows, left_state = Signal(reset_less=True), Signal(SideState, reset_less=True)
        status = {n: Signal(status_layout(config), name=f"status{n}") for n in range(2, 8)}
        keys = {n: places(f"key{n}", levels + 1, config.price_bits) for n in (2, 3, 4, 5, 6, 7)}
        qtys = {n: places(f"qty{n}", levels, config.qty_bits) for n in (5, 6, 7)}

        # Keys and status: read, and mended with those that have come to stand since.
        m.d.comb += [
            read_keys.addr.eq(row[:row_bits]),
            statuses.read_addr.eq(row[:row_bits]),
        ]
        same = {n: getattr(hazards, f"same{n}") for n in range(6)}
        take = {(n, s): Signal(levels + 1, name=f"take{n}_{s}") for n, s in TAKEN}
        for (n, ahead), taken in take.items():
            holds = Cat(status[ahead - 1].held, status[ahead - 1].bounded)
            m.d.sync += taken.eq(holds & same[n - 1][ahead - 1].replicate(levels + 1))
        for at in range(levels + 1):
            if spaced:
                m.d.comb += [keys[n][at].eq(read_keys.data[at]) for n in (2, 3, 4, 5)]
                continue
            read = Mux(same[1][7], keys[7][at], read_keys.data[at])
            m.d.sync += [
                keys[2][at].eq(Mux(same[1][6], keys[6][at], read)),
                *(
                    keys[n + 1][at].eq(Mux(take[n, 6][at], keys[6][at], keys[n][at]))
                    for n in (2, 3, 4)
                ),
            ]
        if spaced:
            m.d.comb += [status[n].eq(statuses.read_data) for n in (2, 3, 4)]
        else:
            written = Mux(same[1][7], status[7].as_value(), statuses.read_data.as_value())
            read_status = Mux(same[1][6], status[6].as_value(), written)
            m.d.sync += status[2].eq(Mux(same[1][5], status[5].as_value(), read_status))
            for n in (2, 3):
                m.d.sync += status[n + 1].eq(
                    Mux(same[n][5], status[5].as_value(), status[n].as_value())
                )

        # Findings: made in stage 2, then moved as the row was.
        better: dict[int, Any] = {3: Signal(levels + 1, name="better3")}
        equal: dict[int, Any] = {3: Signal(levels + 1, name="equal3")}
        found = findings.found
        better[4], equal[4] = found.better, found.equal
        m.d.comb += [
            findings.better.eq(better[3]),
            findings.equal.eq(equal[3]),
            findings.third.eq(Cat(near[6], hazards.better3[6], hazards.equal3[6])),
            findings.second.eq(Cat(near_steps[5], hazards.better3[5], hazards.equal3[5])),
            findings.follows.eq(same[3][5]),
            findings.newest.eq(Cat(status[5].held, status[5].bounded)),
            findings.held.eq(Cat(status[3].held, status[3].bounded)),
        ]
        compares = [Compare(config.price_bits, len(run), not spaced) for run in shares(levels + 1)]
        for run, compare in zip(shares(levels + 1), compares, strict=True):
            m.submodules[f"compare{run.start}"] = compare
            m.d.comb += [
                compare.key.eq(stage[1].key),
                compare.keys.eq(Cat(keys[2][run.start : run.stop])),
                compare.newest.eq(Cat(keys[6][run.start : run.stop])),
                compare.taken.eq(take[2, 6][run.start : run.stop]),
                better[3][run.start : run.stop].eq(compare.better),
                equal[3][run.start : run.stop].eq(compare.equal),
            ]

        # Stage 4: decide. One decision a clock rests on the one before, so what it asks of the row
        # comes from registers that nothing else reads, and what is counted waits a clock: a gate
        # that is shared with something far away is placed far away.
        m.d.comb += [
            decide.operation.eq(stage[4].operation),
            decide.better.eq(better[4]),
            decide.equal.eq(equal[4]),
            decide.reached.eq(found.reached),
            decide.hits.eq(found.hits),
            decide.worse.eq(found.worse),
            decide.worst.eq(found.worst),
            *(near[n].eq(shift_of(near_steps[n])) for n in near_steps),
            decide.near.eq(near[4]),
            decide.near_better.eq(near_better),
            decide.near_equal.eq(near_equal),
            decide.ahead.eq(meant),
            decide.status.eq(Mux(same[4][5], status[5].as_value(), status[4].as_value())),
            decide.status.held[-1].eq(Mux(follows, status[5].held[-1], status[4].held[-1])),
            decide.status.state.eq(Mux(follows, left_state, status[4].state)),
            self.init_done.eq(statuses.done),
        ]
        m.d.sync += [
            self.counts.eq(decide.counts),
            follows.eq(same[3][4]),
            left_state.eq(decide.after.state),
            steps.eq(decide.steps),
            shift.eq(decide.shift),
            lifts.eq(decide.lifts),
            resize.eq(decide.resize),
            *(near_steps[n].eq(decide.steps) for n in near_steps),
            *(near_steps[4][bit].eq(decide.steps[bit] & same[3][4]) for bit in NEAR_BITS),
            *(near_steps[5][bit].eq(decide.steps[bit] & same[2][4]) for bit in NEAR_BITS),
            near_better.eq(hazards.better3[4]),
            near_equal.eq(hazards.equal3[4]),
            meant.eq(
                only(same[3][4], ahead_of(decide.moves, hazards.better3[4], hazards.equal3[4]))
            ),
            near[6].eq(only(same[2][5], shift.as_value())),
            left.eq(decide.after),
            left.held.eq(decide.status.held),
            left.depth.eq(decide.status.depth),
            left.bounded.eq(decide.status.bounded),
            status[6].eq(status[5]),
            status[7].eq(status[6]),
        ]
        # What is held follows in stage 5, not at the end of the way to a decision.
        m.d.comb += status[5].eq(left)
        for now, then in zip(
            (status[5].held, status[5].depth, status[5].bounded),
            held_after(left, moves),
            strict=True,
        ):
            m.d.comb += now.eq(then)

        # Stage 5: move the row. What goes to its places is on registers of its own, a wire a place
        # for a shift and for a resize; the steps stay with the status and the decision.
        m.d.comb += [
            moves.eq(moves_of(steps, shift, resize, lifts)),
            read_qtys.addr.eq(stage[3].addr),
        ]
        for at in range(levels):
            read = Mux(take[4, 7][at], qtys[7][at], read_qtys.data[at])
            if spaced:
                m.d.comb += qtys[5][at].eq(read_qtys.data[at])
            else:
                m.d.sync += qtys[5][at].eq(Mux(take[4, 6][at], qtys[6][at], read))
        value = stage[5].token.value[: config.qty_bits]
        for chain, new, resized in ((keys, stage[5].key, None), (qtys, value, value)):
            before = [
                Mux(taken, newest, old)
                for taken, newest, old in zip(take[5, 6], chain[6], chain[5], strict=False)
            ]
            after = moved(before, moves, new, resized)
            for at, row in enumerate(after):
                m.d.sync += [chain[6][at].eq(row), chain[7][at].eq(chain[6][at])]
        self._write_back(m, stage, status, keys[6], qtys[6])
        return m

    def _write_back(
        self,
        m: Module,
        stage: dict[int, Any],
        status: dict[int, Any],
        keys: list[Signal],
        qtys: list[Signal],
    ) -> None:
        """Stage 6: the row that stands is told, and goes back where it was read."""
        config, levels, statuses = self.config, self.config.levels, m.submodules.status
        write_keys, write_qtys = m.submodules.keys.write_port(), m.submodules.qtys.write_port()
        places, touched = range(config.view_levels), Signal()
        asked, known = stage[5].operation, status[5].state == SideState.KNOWN
        held, shown, counted = (
            Signal(config.view_levels, name=name) for name in ("held", "shown", "counted")
        )
        m.d.comb += held.eq(only(known, status[5].held))
        m.d.sync += [
            shown.eq(held),
            counted.eq(held & Cat(status[5].n > at for at in places)),
            touched.eq(asked.update | asked.load | asked.clear | asked.begin | asked.end),
        ]
        m.d.comb += [
            statuses.write_en.eq(stage[6].valid),
            statuses.write_addr.eq(stage[6].addr),
            statuses.write_data.eq(status[6]),
            write_keys.en.eq(touched),
            write_keys.addr.eq(stage[6].addr),
            write_qtys.en.eq(touched),
            write_qtys.addr.eq(stage[6].addr),
            self.behind.symbol.eq(stage[5].token.symbol),
            self.behind.row.eq(stage[5].addr),
            self.o.valid.eq(stage[6].valid),
            self.o.p.token.eq(stage[6].token),
            self.o.p.status.eq(status[6]),
            self.o.p.shown.eq(shown),
            self.o.p.horizon.eq(keys[levels]),
            self.o.p.counted.eq(counted),
            self.o.p.row.eq(stage[6].addr),
        ]
        m.d.comb += [write_keys.data[at].eq(key) for at, key in enumerate(keys)]
        m.d.comb += [write_qtys.data[at].eq(qty) for at, qty in enumerate(qtys)]
        m.d.comb += [self.o.p.keys[at].eq(keys[at]) for at in range(levels)]
        m.d.comb += [self.o.p.qtys[at].eq(qtys[at]) for at in range(levels)]
