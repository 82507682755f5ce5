# SPDX-License-Identifier: Apache-2.0
"""The walk over a message: where each element begins, and its bytes in line."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_layout, payload_stream
from hdl.feed.sbe.follow import PART_BITS, Element, Follow
from hdl.feed.sbe.plan import Action, Item, Plan, Reason

__all__ = ["Walk"]

#: Bits of a position: the longest block and a beat.
_STOP_BITS = 18
#: Elements of no bytes when the frame is over: the item each makes, and the next.
_CLOSING = (
    (Element.BID, Item.BID, Element.ASK),
    (Element.ASK, Item.ASK, Element.FINISH),
    (Element.FINISH, Item.FINISH, Element.HEADER),
)


class Walk(wiring.Component):
    """Follow the layout of one message a frame, its lengths as the message states them.

    In a step the walk looks at one element, a header, block, dimension or length, in the beat it
    holds. The beat is rotated so that the element's first byte comes first; the rotation is the
    same in all beats of an element. Byte p of an element is in its beat p // width, or one later
    where the rotation carried it over. An element that ends is followed by the next in the same
    beat, in the next clock; entries of a whole number of beats follow each other without a pause.

    What is complete comes out as one item a step, its bytes in `entry` in that step and those of
    the root in `root` from the next on. Whatever the bytes are, a frame makes exactly one FINISH,
    within a bounded number of steps after its last beat, and then the walk is at its start.

    Parameters
    ----------
    plan : Plan
        Messages and their layout.
    width : int
        Bytes of a beat: 4, 8 or 16.

    Members
    -------
    i : In(payload_stream(width))
        Frames. The first beat of one is taken when `admit`.
    advance : In(1)
        The step is taken. The caller stops the clock of the walk without.
    admit : In(1)
        A frame may begin.
    item, reason, error : Out
        What this step has completed; why the walk refused the message, and with FINISH that its
        frame is damaged.
    entry : Out
        Bytes of the element, lowest first.
    root : Out
        Bytes of the root.
    action, part, tag : Out
        The message, number of the group, connection; the message and connection stand until the
        next frame begins.
    at_start : Out(1)
        No frame is under way.
    before_root : Out(1)
        The root is not complete.
    """

    def __init__(self, plan: Plan, width: int) -> None:
        self.plan, self.width = plan, width
        super().__init__(
            {
                "i": In(payload_stream(width)),
                "advance": In(1),
                "admit": In(1),
                "item": Out(Item),
                "reason": Out(Reason),
                "error": Out(1),
                "entry": Out(8 * plan.entry_bytes),
                "root": Out(8 * plan.root_bytes),
                "action": Out(Action),
                "part": Out(PART_BITS),
                "tag": Out(8),
                "at_start": Out(1),
                "before_root": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        width = self.width
        lane_bits = width.bit_length() - 1
        header_bytes = self.plan.schema.header_bytes
        m.submodules.follow = follow = Follow(self.plan)
        raw, have, open_ = Signal(payload_layout(width)), Signal(), Signal()
        element, final, in_step = Signal(Element), Signal(), Signal()
        lane = Signal(lane_bits)  # of the element's first byte
        stop = Signal(_STOP_BITS, init=header_bytes)  # its end, from the beat's first lane
        ends = Signal(init=header_bytes <= width)  # in this beat

        # Where the element ends, and whether the beat is done with.
        walking, inside, full, runs_on = Signal(), Signal(), Signal(), Signal()
        consume, cut, refused = Signal(), Signal(), Signal()
        limit = Mux(raw.last, raw.count, width)
        end = stop[: len(raw.count)]
        m.d.comb += [
            walking.eq(have & (element.as_value() < Element.SKIP.value)),
            inside.eq(walking & ends & (end <= limit)),
            full.eq(inside & (end == limit)),
            cut.eq(walking & raw.last & ~inside),
            runs_on.eq(inside & (element == Element.ENTRY) & in_step & ~final & ~full & ~raw.last),
            consume.eq(~raw.last & ((walking & (~inside | full | runs_on)) | skips(element, have))),
            self.i.ready.eq(self.advance & Mux(have, consume, open_ | self.admit)),
            self.tag.eq(raw.tag),
            self.error.eq(raw.error),
            self.at_start.eq(~have & ~open_),
        ]

        # The beat in hand, turned so that the element begins in lane 0.
        taken, held = self.i.valid & self.i.ready, have & ~consume
        lane_next, rotated = Signal(lane_bits), Signal(8 * width)
        m.d.comb += lane_next.eq(Mux(inside & ~runs_on, end[:lane_bits], lane))
        turned: Value = Mux(held, raw.data, self.i.p.data)
        for bit in range(lane_bits):
            turned = Mux(lane_next[bit], turned.rotate_right(8 << bit), turned)
        m.d.sync += [
            rotated.eq(turned),
            lane.eq(lane_next),
            have.eq(Mux(held, element != Element.FINISH, taken)),
        ]
        with m.If(taken):
            m.d.sync += [raw.eq(self.i.p), open_.eq(1)]
        with m.If(taken & self.at_start):
            m.d.sync += [self.action.eq(Action.NONE), self.before_root.eq(1)]
        fields_end = self._assemble(m, rotated, lane, element, walking, inside, runs_on, limit)

        # The next element.
        group_block, left = Signal(16), Signal(32)
        stop_next = Signal(_STOP_BITS)
        onward = Mux(inside & ~consume, stop, stop - width)
        m.d.comb += [
            follow.element.eq(element),
            follow.action.eq(self.action),
            follow.part.eq(self.part),
            follow.entry.eq(self.entry),
            follow.group_block.eq(group_block),
            follow.final.eq(final),
            refused.eq(follow.reason != Reason.NONE),
            stop_next.eq(onward + Mux(inside, follow.length, 0)),
        ]
        with m.If(walking):
            m.d.sync += [stop.eq(stop_next), ends.eq(stop_next <= width)]
        with m.If(inside):
            m.d.sync += [
                element.eq(follow.after),
                self.part.eq(follow.after_part),
                self.before_root.eq(self.before_root & (element != Element.ROOT)),
            ]
            with m.If(element == Element.HEADER):
                m.d.sync += self.action.eq(follow.header_action)
            with m.Elif(element == Element.DIMENSION):
                m.d.sync += [
                    group_block.eq(follow.block),
                    in_step.eq(follow.block[:lane_bits] == 0),
                    left.eq(follow.count),
                    final.eq(follow.count == 1),
                ]
            with m.Elif(element == Element.ENTRY):
                m.d.sync += [left.eq(left - 1), final.eq(left == 2)]

        # Ends of the walk.
        last_full = raw.last & full
        with m.If(inside & (refused | (follow.done & ~last_full))):
            m.d.sync += [
                element.eq(Mux(raw.last, Element.FINISH, Element.SKIP)),
                self.reason.eq(Mux(refused, follow.reason, Reason.LONG)),
            ]
        with m.Elif(last_full & follow.done):
            ticker = self.action == Action.TICKER
            m.d.sync += element.eq(Mux(ticker, Element.BID, Element.FINISH))
        with m.Elif(last_full | cut):
            m.d.sync += [element.eq(Element.FINISH), self.reason.eq(Reason.SHORT)]
        with m.Elif(skips(element, have) & raw.last):
            m.d.sync += element.eq(Element.FINISH)
        for one, item, after in _CLOSING:
            with m.If(have & (element == one)):
                m.d.sync += element.eq(after)
                m.d.comb += self.item.eq(item)
        with m.If(have & (element == Element.FINISH)):
            m.d.sync += [
                open_.eq(0),
                lane.eq(0),
                stop.eq(header_bytes),
                ends.eq(header_bytes <= width),
                self.reason.eq(Reason.NONE),
                self.part.eq(0),
            ]

        with m.If(inside & (element == Element.ROOT)):
            m.d.comb += self.item.eq(Item.ROOT)
        with m.If(inside & (element == Element.DIMENSION) & ~refused):
            m.d.comb += self.item.eq(Item.GROUP)
        with m.If(walking & (element == Element.ENTRY) & fields_end):
            m.d.comb += self.item.eq(Item.ENTRY)
        return m

    def _assemble(
        self,
        m: Module,
        rotated: Value,
        lane: Value,
        element: Value,
        walking: Value,
        inside: Value,
        runs_on: Value,
        limit: Value,
    ) -> Value:
        """Put the element's bytes in line; 1 where this beat has the last field of an entry.

        Of the beat, `limit` bytes count.
        """
        plan, width = self.plan, self.width
        beat = Signal(plan.beats(width) + 1, init=1)  # of the element, one-hot; 0: beyond
        with m.If(element == Element.FINISH):
            m.d.sync += beat.eq(1)
        with m.Elif(inside):
            m.d.sync += beat.eq(Mux(runs_on, 2, 1))
        with m.Elif(walking):
            m.d.sync += beat.eq(beat << 1)

        def here(byte: int) -> Value:
            return Mux(
                lane > width - 1 - byte % width, beat[byte // width + 1], beat[byte // width]
            )

        kept = Signal(8 * plan.entry_bytes)
        for byte in range(max(plan.entry_bytes, plan.root_bytes)):
            part, new = slice(8 * byte, 8 * byte + 8), rotated.word_select(byte % width, 8)
            now = Signal(name=f"now{byte}")
            m.d.comb += now.eq(here(byte))
            if byte < plan.entry_bytes:
                m.d.comb += self.entry[part].eq(Mux(now, new, kept[part]))
                with m.If(walking & (now | (runs_on if byte < width else 0))):
                    m.d.sync += kept[part].eq(new)
            if byte < plan.root_bytes:
                with m.If(walking & now & (element == Element.ROOT)):
                    m.d.sync += self.root[part].eq(new)

        fields_end = Signal()
        for template in plan.templates:
            for at, group in enumerate(template.message.groups):
                size = max(f.offset + f.bytes for f in group.fields.values() if not f.since)
                at_lane = Signal(len(lane), name=f"{template.action.name.lower()}{at}_lane")
                m.d.comb += at_lane.eq(lane + (size - 1) % width)
                with m.If((self.action == template.action) & (self.part == at)):
                    m.d.comb += fields_end.eq(here(size - 1) & (at_lane < limit))
        return fields_end


def skips(element: Value, have: Value) -> Value:
    """The beat in hand is of no interest."""
    return have & (element == Element.SKIP)
