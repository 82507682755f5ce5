# SPDX-License-Identifier: Apache-2.0
"""Decoder of Binance's SBE market data: payload bytes in, in-records out."""

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.payload import payload_stream
from hdl.feed.sbe.exact import Exact
from hdl.feed.sbe.follow import take_field
from hdl.feed.sbe.plan import Action, Item, Plan, Reason
from hdl.feed.sbe.recorder import Recorder, step_layout, ticker_layout
from hdl.feed.sbe.scales import Scales, scale_layout
from hdl.feed.sbe.schema import Schema, read_schema
from hdl.feed.sbe.sequence import Sequence, Verdict, note_layout
from hdl.feed.sbe.walk import Walk
from hdl.records import IN_RECORD

__all__ = ["LEVEL_LATENCY", "SbeDecoder"]

#: Cycles from accept of the beat with a level's last byte to its record at `o`, always.
LEVEL_LATENCY = 4
_REPLACED = (Reason.NONE, Reason.SHORT, Reason.LONG)


class SbeDecoder(wiring.Component):
    """Turn each message into the records a host would send for it (``docs/contract.md``, SBE).

    Latency from the beat with the last byte of a level to its LEVEL is `LEVEL_LATENCY` cycles, plus
    the cycles in which `o` is held up. Throughput within a group is a level a clock with 16 bytes a
    beat, every second with 8, every fourth with 4; between elements of other kinds a clock or two
    pass. A frame is taken when the one before has left. All frames end: a frame's last beat
    brings the decoder back to its start whatever the bytes were.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    width : int
        Bytes of a beat: 4, 8 or 16.
    schema : Schema, optional
        Layout of the messages; Binance's spot streams, version 0, if not given.

    Members
    -------
    i : In(payload_stream(width))
        Frames of one message each; the tag is the symbol.
    hold : In(1)
        The event of a depth diff is not ended. Stands still from a frame's first beat on.
    o : Out(stream(in record))
        Records.
    note : In(note_layout)
        What records sent beside the frames say of a book's update id; only while `at_rest`.
    at_rest : Out(1)
        No frame is under way and no record of one waits.
    shadow, commit, commit_symbol : In
        Scales of the symbols (`Scales`).
    ticker : Out(ticker_layout), ticker_valid : Out(1)
        A best bid and ask, for one cycle each.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memories are swept; frames wait until then.

    Raises
    ------
    SchemaError
        The schema has not what is needed of it.
    """

    def __init__(self, config: BuildConfig, width: int = 16, schema: Schema | None = None) -> None:
        self.config, self.width = config, width
        self.plan = Plan(read_schema() if schema is None else schema)
        self._recorder = Recorder(config)
        super().__init__(
            {
                "i": In(payload_stream(width)),
                "hold": In(1),
                "o": Out(stream.Signature(IN_RECORD.layout())),
                "note": In(note_layout()),
                "at_rest": Out(1),
                "shadow": In(scale_layout()),
                "commit": In(1),
                "commit_symbol": In(32),
                "ticker": Out(ticker_layout(config)),
                "ticker_valid": Out(1),
                "counts": Out(self._recorder.counts.shape()),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        advance = Signal()
        walk, verdict = Walk(self.plan, self.width), Verdict(self.plan)
        price, qty = Exact(self.config.price_bits), Exact(self.config.qty_bits)
        # These move when a step is taken.
        m.submodules.walk = EnableInserter(advance)(walk)
        m.submodules.verdict = EnableInserter(advance)(verdict)
        m.submodules.price = EnableInserter(advance)(price)
        m.submodules.qty = EnableInserter(advance)(qty)
        m.submodules.scales = scales = Scales(self.config)
        m.submodules.sequence = sequence = Sequence(self.config)
        m.submodules.recorder = recorder = self._recorder

        wiring.connect(m, wiring.flipped(self.i), walk.i)
        wiring.connect(m, recorder.o, wiring.flipped(self.o))
        multiplied, judged = Signal(step_layout()), Signal(step_layout())
        moving = Cat(step.item != Item.NONE for step in (multiplied, judged)).any()
        replaced = Cat(walk.reason == reason for reason in _REPLACED).any()
        reason = Mux(walk.error & replaced, Reason.DAMAGED, walk.reason)
        price_in, qty_in, trade = self._fields(m, walk)
        with m.If(advance):
            m.d.sync += [
                judged.eq(multiplied),
                multiplied.item.eq(walk.item),
                multiplied.part.eq(walk.part),
                multiplied.reason.eq(reason),
                multiplied.trade_id.eq(trade[:64]),
                multiplied.buyer_is_maker.eq(trade[64:]),
            ]
        m.d.comb += [
            advance.eq(recorder.advance),
            walk.advance.eq(advance),
            walk.admit.eq(self.at_rest & self.init_done),
            self.at_rest.eq(walk.at_start & ~moving & ~recorder.o.valid),
            self.init_done.eq(scales.init_done & sequence.init_done),
            scales.shadow.eq(self.shadow),
            scales.commit.eq(self.commit),
            scales.commit_symbol.eq(self.commit_symbol),
            scales.tag.eq(walk.tag),
            scales.follow.eq(walk.before_root),
            sequence.symbol.eq(walk.tag),
            sequence.note.eq(Mux(recorder.note.en, recorder.note, self.note)),
            verdict.root.eq(walk.root),
            verdict.action.eq(walk.action),
            verdict.scale.eq(scales.scale),
            verdict.state.eq(sequence.state),
            recorder.step.eq(judged),
            recorder.tag.eq(walk.tag),
            recorder.action.eq(walk.action),
            recorder.verdict.eq(verdict.reason),
            recorder.known.eq(verdict.known),
            recorder.time_us.eq(verdict.time_us),
            recorder.update_id.eq(verdict.update_id),
            recorder.hold.eq(self.hold),
            self.ticker.eq(recorder.ticker),
            self.ticker_valid.eq(recorder.ticker_valid),
            self.counts.eq(recorder.counts),
        ]
        for exact, mantissa, unit, result in (
            (price, price_in, scales.scale.price, recorder.price),
            (qty, qty_in, scales.scale.qty, recorder.qty),
        ):
            m.d.comb += [
                exact.mantissa.eq(mantissa),
                exact.unit.eq(unit),
                result.units.eq(exact.units),
                result.exact.eq(exact.exact),
                result.zero.eq(exact.zero),
            ]
        return m

    def _fields(self, m: Module, walk: Walk) -> tuple[Value, Value, Value]:
        """Mantissas of the pair that is complete, and the other fields of a trade."""
        price, qty, trade = Signal(64), Signal(64), Signal(72)
        with m.Switch(walk.action):
            for template in self.plan.templates:
                message = template.message
                with m.Case(template.action):
                    for at, group in enumerate(message.groups):
                        told = {
                            name: take_field(walk.entry, field)
                            for name, field in group.fields.items()
                            if not field.since and field.bytes
                        }
                        with m.If(walk.part == at):
                            m.d.comb += [price.eq(told["price"]), qty.eq(told["qty"])]
                        if template.action == Action.TRADES:
                            m.d.comb += trade.eq(Cat(told["id"], told["isBuyerMaker"]))
                    if template.action == Action.TICKER:
                        for item, side in ((Item.BID, "bid"), (Item.ASK, "ask")):
                            with m.If(walk.item == item):
                                m.d.comb += [
                                    price.eq(take_field(walk.root, message.fields[f"{side}Price"])),
                                    qty.eq(take_field(walk.root, message.fields[f"{side}Qty"])),
                                ]
        return price, qty, trade
