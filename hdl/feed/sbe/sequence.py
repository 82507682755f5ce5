# SPDX-License-Identifier: Apache-2.0
"""Update ids: what of a symbol's book has come, and whether a message follows it."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.sbe.follow import take_field
from hdl.feed.sbe.plan import Action, Plan, Reason
from hdl.feed.sbe.scales import scale_layout
from hdl.memory import SweptMemory

__all__ = ["Sequence", "Verdict", "note_layout", "state_layout"]


def note_layout() -> data.StructLayout:
    """What is to be remembered of a symbol from now on."""
    return data.StructLayout({"en": 1, "symbol": 8, "synced": 1, "id": 64})


def state_layout() -> data.StructLayout:
    """Whether the book is in step with the stream, its last update id, and that plus 1."""
    return data.StructLayout({"synced": 1, "last": 64, "next": 64})


class Sequence(wiring.Component):
    """The last update id of each symbol's book.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    note : In(note_layout)
        The book of a symbol is now at this id, or waits for a snapshot. An id of 2^63 and more
        waits as well; a symbol this build does not have is ignored. One a cycle.
    symbol : In(8)
        Symbol whose state is wanted.
    state : Out(state_layout)
        Its state two cycles later, with the notes that came a cycle before `symbol` or earlier.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "note": In(note_layout()),
                "symbol": In(8),
                "state": Out(state_layout()),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = SweptMemory(state_layout(), self.config.symbols)
        bits = len(rows.read_addr)
        note = Signal(note_layout())
        m.d.sync += [
            note.eq(self.note),
            note.en.eq(self.note.en & (self.note.symbol < self.config.symbols)),
            self.state.eq(rows.read_data),
        ]
        m.d.comb += [
            rows.write_en.eq(note.en),
            rows.write_addr.eq(note.symbol[:bits]),
            rows.write_data.synced.eq(note.synced & ~note.id[63]),
            rows.write_data.last.eq(note.id),
            rows.write_data.next.eq(note.id + 1),
            rows.read_addr.eq(self.symbol[:bits]),
            self.init_done.eq(rows.done),
        ]
        return m


class Verdict(wiring.Component):
    """Judge the root of a message: connection, exponents, times and ids, sequence; in this order.

    Latency is 1 cycle.

    Parameters
    ----------
    plan : Plan
        Messages and their layout.

    Members
    -------
    root, action : In
        Bytes of the root, and of which message.
    scale, state : In
        Of the message's symbol.
    reason : Out(Reason)
        Why it is refused; NONE if it is not.
    known : Out(1)
        The connection has a symbol and a scale.
    time_us, update_id : Out(64)
        Time of the message's events, id of the book after it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(
            {
                "root": In(8 * plan.root_bytes),
                "action": In(Action),
                "scale": In(scale_layout()),
                "state": In(state_layout()),
                "reason": Out(Reason),
                "known": Out(1),
                "time_us": Out(64),
                "update_id": Out(64),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        scale, state = self.scale, self.state
        exponents = Signal(16)
        time_us, first_id, last_id = Signal(64), Signal(64), Signal(64)
        other_time = Signal(64)
        with m.Switch(self.action):
            for template in self.plan.templates:
                with m.Case(template.action):
                    told = {
                        name: take_field(self.root, field)
                        for name, field in template.message.fields.items()
                        if not field.since
                    }
                    last = told.get("lastBookUpdateId", told.get("bookUpdateId", 0))
                    m.d.comb += [
                        exponents[:8].eq(told["priceExponent"]),
                        exponents[8:].eq(told["qtyExponent"]),
                        time_us.eq(told.get("transactTime", told["eventTime"])),
                        other_time.eq(told["eventTime"]),
                        last_id.eq(last),
                        first_id.eq(told.get("firstBookUpdateId", last)),
                    ]
        signs: Value = time_us[63] | other_time[63] | first_id[63] | last_id[63]
        rules = {
            Reason.TAG: ~scale.enable,
            Reason.EXPONENT: (exponents[:8] != scale.price.exponent)
            | (exponents[8:] != scale.qty.exponent),
            Reason.ROOT: signs | (first_id > last_id),
        }
        diff = {
            Reason.UNSYNCED: ~state.synced,
            Reason.STALE: last_id < state.next,
            Reason.GAP: first_id > state.next,
        }
        m.d.sync += [
            self.reason.eq(Reason.NONE),
            self.known.eq(scale.enable),
            self.time_us.eq(time_us),
            self.update_id.eq(last_id),
        ]
        # The last assignment holds: the first rule that is broken.
        with m.If((self.action == Action.SNAPSHOT) & state.synced & (last_id < state.last)):
            m.d.sync += self.reason.eq(Reason.STALE)
        for reason, broken in reversed(diff.items()):
            with m.If((self.action == Action.DIFF) & broken):
                m.d.sync += self.reason.eq(reason)
        for reason, broken in reversed(rules.items()):
            with m.If(broken):
                m.d.sync += self.reason.eq(reason)
        return m
