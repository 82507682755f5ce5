# SPDX-License-Identifier: Apache-2.0
"""What follows an element of a message, from its bytes: the schema, elaborated."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.sbe.plan import Action, Plan, Reason
from hdl.feed.sbe.schema import Data, Field, Group

__all__ = ["PART_BITS", "Element", "Follow", "take_field"]

#: A part is a group or data of a message; its number has so many bits.
PART_BITS = 3


class Element(enum.Enum, shape=4):  # type: ignore[call-arg]
    """What the walk is in."""

    HEADER = 0
    ROOT = 1
    DIMENSION = 2
    ENTRY = 3
    LENGTH = 4
    TEXT = 5
    SKIP = 6  # refused: on to the last beat
    BID = 7  # the frame is over: what is left to hand on
    ASK = 8
    FINISH = 9


def take_field(block: Value, field: Field) -> Value:
    """The bits of a field in the bytes of its block."""
    return block[8 * field.offset : 8 * (field.offset + field.bytes)]


class Follow(wiring.Component):
    """Say what comes after an element that is complete. Combinational.

    Parameters
    ----------
    plan : Plan
        Messages and their layout.

    Members
    -------
    element, action, part : In
        The element, its message and part.
    entry : In
        Bytes of the element.
    group_block : In(16), final : In(1)
        Bytes of an entry of the group; this entry is its last.
    after : Out(Element), length : Out(16), after_part : Out
        The next element, its bytes and its part.
    done : Out(1)
        There is none, the message is complete.
    reason : Out(Reason)
        Why it may not go on; NONE where it may.
    header_action : Out(Action)
        After HEADER: the message.
    block, count : Out
        After DIMENSION: bytes of an entry, entries.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(
            {
                "element": In(Element),
                "action": In(Action),
                "part": In(PART_BITS),
                "entry": In(8 * plan.entry_bytes),
                "group_block": In(16),
                "final": In(1),
                "after": Out(Element),
                "length": Out(16),
                "after_part": Out(PART_BITS),
                "done": Out(1),
                "reason": Out(Reason),
                "header_action": Out(Action),
                "block": Out(16),
                "count": Out(32),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        least, text = Signal(16), Signal(16)
        self._dimensions(m, least, text)
        next_part = Signal(PART_BITS)  # begins after the element
        begins = Signal()
        m.d.comb += next_part.eq(Mux(self.element == Element.ROOT, 0, self.part + 1))
        with m.Switch(self.element):
            with m.Case(Element.HEADER):
                m.d.comb += self.after.eq(Element.ROOT)
                self._header(m)
            with m.Case(Element.ROOT, Element.TEXT):
                m.d.comb += begins.eq(1)
            with m.Case(Element.DIMENSION):
                m.d.comb += [
                    self.after.eq(Element.ENTRY),
                    self.length.eq(self.block),
                    begins.eq(self.count == 0),
                ]
                with m.If((self.count != 0) & (self.block < least)):
                    m.d.comb += self.reason.eq(Reason.BLOCK)
            with m.Case(Element.ENTRY):
                m.d.comb += [
                    self.after.eq(Element.ENTRY),
                    self.length.eq(self.group_block),
                    begins.eq(self.final),
                ]
            with m.Case(Element.LENGTH):
                m.d.comb += [
                    self.after.eq(Element.TEXT),
                    self.length.eq(text),
                    begins.eq(text == 0),
                ]
        m.d.comb += self.after_part.eq(Mux(begins, next_part, self.part))
        with m.If(begins):
            self._begin(m, next_part)
        return m

    def _parts(self) -> list[tuple[Any, int, Group | Data]]:
        """Message, number and layout of each group and data."""
        return [
            (template.action, at, part)
            for template in self.plan.templates
            for at, part in enumerate(template.message.parts)
        ]

    def _dimensions(self, m: Module, least: Signal, text: Signal) -> None:
        """The fields of DIMENSION and LENGTH, and the least bytes of an entry."""
        with m.Switch(Cat(self.action, self.part)):
            for action, at, part in self._parts():
                with m.Case(at << len(self.action.as_value()) | action.value):
                    if isinstance(part, Data):
                        m.d.comb += text.eq(self.entry[: 8 * part.length_bytes])
                    else:
                        m.d.comb += [
                            self.block.eq(take_field(self.entry, part.block_length)),
                            self.count.eq(take_field(self.entry, part.count)),
                            least.eq(part.block_bytes),
                        ]

    def _header(self, m: Module) -> None:
        """Schema, template, version and root block, in this order."""
        schema = self.plan.schema
        told = {name: take_field(self.entry, field) for name, field in schema.header.items()}
        least = Signal(16)
        m.d.comb += self.length.eq(told["blockLength"])
        with m.If(told["schemaId"] != schema.id):
            m.d.comb += self.reason.eq(Reason.SCHEMA)
        with m.Else():
            m.d.comb += self.reason.eq(Reason.TEMPLATE)
            for template in self.plan.templates:
                with m.If(told["templateId"] == template.message.template):
                    m.d.comb += [
                        self.header_action.eq(template.action),
                        self.reason.eq(Reason.NONE),
                        least.eq(template.message.block_bytes),
                    ]
            with m.If(self.header_action != Action.NONE):
                with m.If(told["version"] < schema.version):
                    m.d.comb += self.reason.eq(Reason.VERSION)
                with m.Elif(told["blockLength"] < least):
                    m.d.comb += self.reason.eq(Reason.BLOCK)

    def _begin(self, m: Module, next_part: Value) -> None:
        """The first element of a part; without such a part the message is complete."""
        m.d.comb += self.done.eq(1)
        with m.Switch(Cat(self.action, next_part)):
            for action, at, part in self._parts():
                is_data = isinstance(part, Data)
                size = part.length_bytes if isinstance(part, Data) else part.dimension_bytes
                with m.Case(at << len(self.action.as_value()) | action.value):
                    m.d.comb += [
                        self.after.eq(Element.LENGTH if is_data else Element.DIMENSION),
                        self.length.eq(size),
                        self.done.eq(0),
                    ]
