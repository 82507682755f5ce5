# SPDX-License-Identifier: Apache-2.0
"""Bytes of a message to its fields."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.header import big_endian
from hdl.feed.itch.messages import LENGTHS, MESSAGES, Act, kept_bytes
from hdl.feed.itch.mold import message_layout
from hdl.feed.itch.registers import counts

__all__ = ["Decoder", "fields_layout"]

#: Byte by whose beat the reference of a replaced order is whole.
_OLD_REF_END = 19


def fields_layout() -> data.StructLayout:
    """What an order message, or a print, says."""
    return data.StructLayout(
        {
            "add": 1,  # an order comes: A, F, U
            "take": 1,  # shares leave one: E, C, X, D, U
            "print": 1,  # P
            "entire": 1,  # D, U: all the order's shares leave
            "trade": 1,  # E, C: they were traded
            "priced": 1,  # C: at the message's own price
            "ref": 64,  # order that shares leave
            "new_ref": 64,  # order that comes
            "sell": 1,
            "side_known": 1,
            "shares": 32,
            "price": 32,
            "ns": 48,  # since midnight
            "sequence": 64,
        }
    )


class Decoder(wiring.Component):
    """Keep the bytes of a message, and say when all that a level needs is there.

    Fields are told in the cycle in which their last byte comes. A message of an unknown type is
    skipped and counted. One of another length than its type has is refused and counted; where the
    type changes a book, `lost` is told.

    Latency is none; throughput one beat a cycle while `ready`.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    i : In(stream(message_layout))
        Messages.
    fields : Out(fields_layout)
        Those of the message under way; each is right once its last byte has come.
    lead : Out(1)
        A replace: the old order's reference is whole, and the next beat brings the rest.
    start : Out(1)
        All that a level, or a print, needs is here with this beat.
    whole : Out(1), cut : Out(1)
        The message ends with this beat; it is whole, or it is not.
    ready : In(1)
        A message may start; a beat with `lead` or `start` waits for it, unless `led`.
    led : In(1)
        The replace that is under way was taken with `lead`.
    locate : Out(16)
        Stock locate, from two beats before `start` on.
    print_price : Out(32), print_zero : Out(1), printable : Out(1)
        Of the last whole message C: its price, whether that is 0, and whether it is to be told.
    state : Out(8), states : Out(1)
        Trading state of `locate`, told two cycles after the message H was whole.
    event : Out(8)
        Code of the last system event.
    lost : Out(1)
        A message that changes a book cannot be read.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(message_layout(config.width))),
                "fields": Out(fields_layout()),
                "lead": Out(1),
                "start": Out(1),
                "whole": Out(1),
                "cut": Out(1),
                "ready": In(1),
                "led": In(1),
                "locate": Out(16),
                "print_price": Out(32),
                "printable": Out(1),
                "print_zero": Out(1),
                "state": Out(8),
                "states": Out(1),
                "event": Out(8),
                "lost": Out(1),
                "counts": Out(
                    counts(
                        *("itch_messages", "itch_skipped", "itch_foreign", "itch_lengths"),
                        *("itch_systems", "itch_directories"),
                    )
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        width, beat, fields = self.config.width, self.i.p, self.fields
        kept = Signal(data.ArrayLayout(8, kept_bytes()))
        view = Signal(data.ArrayLayout(8, kept_bytes()))
        for n in range(kept_bytes()):
            lane = beat.lanes.word_select(n % width, 8)
            m.d.comb += view[n].eq(Mux(self.i.valid & (beat.start <= n), lane, kept[n]))
        octets = [view[n] for n in range(kept_bytes())]

        # What the first byte says is kept from the first beat on, so that nothing but `need` and
        # the beat's place decides when a message starts. `need` lies at least a beat further on.
        kinds = {message.type: Signal(name=f"is_{message.type}") for message in MESSAGES}
        first = self.i.valid & (beat.start == 0)
        moved = self.i.valid & self.i.ready
        fits, known = Signal(), Signal()
        now = {kind: Signal(name=f"now_{kind}") for kind in kinds}
        length_now = Signal()
        m.d.comb += length_now.eq(
            Cat(
                (view[0] == ord(kind)) & (beat.length == length) for kind, length in LENGTHS.items()
            ).any()
        )
        for kind, sort in now.items():
            m.d.comb += sort.eq(Mux(first, view[0] == ord(kind), kinds[kind]))
        known_now = Mux(first, Cat(view[0] == ord(kind) for kind in kinds).any(), known)
        fits_now = Mux(first, length_now, fits)
        with m.If(moved):
            m.d.sync += [kept.eq(view), known.eq(known_now), fits.eq(fits_now)]
            m.d.sync += [kinds[kind].eq(now[kind]) for kind in kinds]

        def any_of(*acts: Act):
            return Cat(kinds[x.type] for x in MESSAGES if x.act in acts).any()

        need = Signal(range(64))
        for message in MESSAGES:
            if message.level:
                with m.If(kinds[message.type]):
                    m.d.comb += need.eq(message.need)
        is_replace = any_of(Act.REPLACE)
        level = any_of(Act.ADD, Act.TAKE, Act.REPLACE, Act.PRINT)
        useful = self.i.valid & ~first & fits & level
        starts, leads = Signal(), Signal()
        m.d.comb += [
            starts.eq(useful & (beat.start <= need) & (beat.end > need) & ~beat.cut),
            leads.eq(
                useful
                & ~beat.cut
                & is_replace
                & (beat.end >= _OLD_REF_END)
                & (beat.end <= need)
                & (beat.end + width > need)
            ),
            self.i.ready.eq(self.ready | self.led | ~(starts | leads)),
            self.start.eq(starts & self.i.ready),
            self.lead.eq(leads & self.ready),
            self.whole.eq(moved & beat.last),
            self.cut.eq(moved & beat.cut),
            self.locate.eq(big_endian(octets, 1, 2)),
        ]

        spans = {message.type: message.fields for message in MESSAGES}
        side = octets[spans["A"]["side"][0]]
        is_buy, is_sell = side == ord("B"), side == ord("S")
        m.d.comb += [
            fields.add.eq(any_of(Act.ADD, Act.REPLACE)),
            fields.take.eq(any_of(Act.TAKE, Act.REPLACE)),
            fields.print.eq(any_of(Act.PRINT)),
            fields.entire.eq(is_replace | kinds["D"]),
            fields.trade.eq(kinds["E"] | kinds["C"]),
            fields.priced.eq(kinds["C"]),
            fields.ref.eq(big_endian(octets, *spans["U"]["ref"])),
            fields.new_ref.eq(
                Mux(
                    is_replace,
                    big_endian(octets, *spans["U"]["new_ref"]),
                    big_endian(octets, *spans["A"]["ref"]),
                )
            ),
            fields.sell.eq(is_sell),
            fields.side_known.eq(is_buy | is_sell),
            fields.price.eq(
                Mux(
                    is_replace,
                    big_endian(octets, *spans["U"]["price"]),
                    big_endian(octets, *spans["A"]["price"]),
                )
            ),
            fields.ns.eq(big_endian(octets, 5, 6)),
            fields.sequence.eq(beat.sequence),
        ]
        with m.If(is_replace):
            m.d.comb += fields.shares.eq(big_endian(octets, *spans["U"]["shares"]))
        with m.Elif(any_of(Act.TAKE)):
            m.d.comb += fields.shares.eq(big_endian(octets, *spans["E"]["shares"]))
        with m.Else():
            m.d.comb += fields.shares.eq(big_endian(octets, *spans["A"]["shares"]))

        ends = self.whole
        good = ends & fits_now
        is_book = Cat(
            now[x.type]
            for x in MESSAGES
            if x.act in (Act.ADD, Act.TAKE, Act.REPLACE, Act.PRINT, Act.STATE)
        ).any()
        is_skipped = Cat(now[x.type] for x in MESSAGES if x.act is Act.SKIP).any()
        m.d.comb += [
            self.counts.itch_messages.eq(ends),
            self.counts.itch_skipped.eq(good & is_skipped),
            self.counts.itch_foreign.eq(ends & ~known_now),
            self.counts.itch_lengths.eq(ends & known_now & ~fits_now),
            self.counts.itch_systems.eq(good & now["S"]),
            self.counts.itch_directories.eq(good & now["R"]),
            self.lost.eq(ends & known_now & ~fits_now & is_book),
        ]
        with m.If(good & now["C"]):
            m.d.sync += [
                self.print_price.eq(big_endian(octets, *spans["C"]["price"])),
                self.print_zero.eq(big_endian(octets, *spans["C"]["price"]) == 0),
                self.printable.eq(octets[spans["C"]["printable"][0]] == ord("Y")),
            ]
        with m.If(good & now["S"]):
            m.d.sync += self.event.eq(octets[spans["S"]["event"][0]])
        told = Signal()
        m.d.sync += [told.eq(good & now["H"]), self.states.eq(told)]
        with m.If(good & now["H"]):
            m.d.sync += self.state.eq(octets[spans["H"]["state"][0]])
        return m
