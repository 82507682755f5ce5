# SPDX-License-Identifier: Apache-2.0
"""From words on the register bus to a model that is swapped in whole, or refused by name."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.model.crc import CRC_START, crc_word
from hdl.model.shape import (
    BIAS_BITS,
    FORMAT,
    HEADER_WORDS,
    MAGIC,
    MOST_SHIFT,
    SCORE_BITS,
    ForestShape,
    Header,
    ModelStatus,
    write_layout,
)

__all__ = ["Loader", "constants_layout"]


def constants_layout() -> data.StructLayout:
    """What a model has beside its trees."""
    return data.StructLayout(
        {
            "bias": signed(BIAS_BITS),
            "upper": signed(SCORE_BITS),
            "lower": signed(SCORE_BITS),
            "model": 32,
            "shift": MOST_SHIFT.bit_length(),
        }
    )


class Loader(wiring.Component):
    """Take an image word by word into the bank that is not in use, and swap banks when it is whole.

    An image is begun, sent and committed with the CRC-32 of its words. The first fault refuses it;
    what follows up to the next beginning is ignored. The bank in use is never written, so a refused
    image changes nothing, and one image more can be sent at any time.

    Throughput is one word a cycle. A swap takes effect two cycles after `commit`.

    Parameters
    ----------
    shape : ForestShape
        Sizes of the forest.

    Members
    -------
    begin, word, commit : In(1)
        One cycle each, never two at once: an image begins; a word of it; its checksum.
    written : In(32)
        That word or checksum.
    features_id : In(32)
        Identity of the feature list of this build.
    write : Out(write_layout)
        To the engines, one cycle after the word.
    active : Out(1)
        Bank in use.
    ready : Out(1)
        There is a model in it.
    constants : Out
        Of both banks.
    status : Out(ModelStatus)
        What became of the last image.
    words : Out(32)
        Words taken of it.
    loaded, refused : Out(1)
        One pulse for each image accepted, and for each refused.
    """

    def __init__(self, shape: ForestShape) -> None:
        self.shape = shape
        super().__init__(
            {
                "begin": In(1),
                "word": In(1),
                "commit": In(1),
                "written": In(32),
                "features_id": In(32),
                "write": Out(write_layout(shape)),
                "active": Out(1),
                "ready": Out(1),
                "constants": Out(data.ArrayLayout(constants_layout(), 2)),
                "status": Out(ModelStatus),
                "words": Out(32),
                "loaded": Out(1),
                "refused": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        shape, written, status = self.shape, self.written, self.status
        crc = Signal(32)
        receiving, untouched = Signal(), Signal()
        m.d.comb += [
            receiving.eq(status == ModelStatus.RECEIVING),
            untouched.eq((status == ModelStatus.NONE) | (status == ModelStatus.ACCEPTED)),
        ]

        # Where the next word belongs: in the header, else in a tree of a phase and an engine.
        place = Signal(range(max(HEADER_WORDS, shape.nodes + shape.leaf_words)))
        engine, phase = Signal.like(self.write.engine), Signal(range(shape.phases))
        header, whole = Signal(), Signal()
        is_leaf = place >= shape.nodes
        last_place = Mux(header, HEADER_WORDS - 1, shape.nodes + shape.leaf_words - 1)

        fault = Signal(ModelStatus)
        m.d.comb += fault.eq(self._fault(m, header, place, is_leaf))
        refuse = Signal(ModelStatus)
        m.d.sync += [self.write.node.eq(0), self.write.leaves.eq(0)]
        with m.If(self.begin):
            m.d.comb += self.refused.eq(receiving)
            m.d.sync += [
                status.eq(ModelStatus.RECEIVING),
                crc.eq(CRC_START),
                self.words.eq(0),
                header.eq(1),
                whole.eq(0),
                place.eq(0),
                engine.eq(0),
                phase.eq(0),
            ]
        with m.Elif(self.word & receiving):
            m.d.sync += crc.eq(crc_word(crc, written))
            m.d.comb += refuse.eq(Mux(whole, ModelStatus.LENGTH, fault))
            with m.If(refuse == ModelStatus.NONE):
                m.d.sync += [self.words.eq(self.words + 1), place.eq(place + 1)]
                m.d.sync += [
                    self.write.node.eq(~header & ~is_leaf),
                    self.write.leaves.eq(~header & is_leaf),
                ]
                with m.If(place == last_place):
                    m.d.sync += [place.eq(0), header.eq(0)]
                    with m.If(~header & (engine == shape.engines - 1)):
                        m.d.sync += [engine.eq(0), phase.eq(phase + 1)]
                        m.d.sync += whole.eq(phase == shape.phases - 1)
                    with m.Elif(~header):
                        m.d.sync += engine.eq(engine + 1)
        with m.Elif(self.commit & receiving):
            m.d.comb += refuse.eq(
                Mux(
                    ~whole,
                    ModelStatus.LENGTH,
                    Mux(written != ~crc, ModelStatus.CHECKSUM, ModelStatus.NONE),
                )
            )
            with m.If(refuse == ModelStatus.NONE):
                m.d.comb += self.loaded.eq(1)
                m.d.sync += [
                    status.eq(ModelStatus.ACCEPTED),
                    self.active.eq(~self.active),
                    self.ready.eq(1),
                ]
        with m.Elif((self.word | self.commit) & untouched):
            m.d.comb += refuse.eq(ModelStatus.ORDER)
        with m.If(refuse != ModelStatus.NONE):
            m.d.comb += self.refused.eq(1)
            m.d.sync += status.eq(refuse)

        m.d.sync += [
            self.write.engine.eq(engine),
            self.write.row.eq((phase << 1) | ~self.active),
            self.write.place.eq(Mux(is_leaf, place - shape.nodes, place + 1)),
            self.write.data.eq(written),
        ]
        kept = Array([self.constants[0], self.constants[1]])[~self.active]
        with m.If(self.word & receiving & header & (fault == ModelStatus.NONE)):
            for name in ("bias", "upper", "lower", "model", "shift"):
                with m.If(place == getattr(Header, name.upper())):
                    m.d.sync += kept[name].eq(written)
        return m

    def _fault(self, m: Module, header: Signal, place: Signal, is_leaf: object) -> Signal:
        """What is wrong with the word that belongs at `place`."""
        shape, written, status = self.shape, self.written, ModelStatus
        fault = Signal(ModelStatus, name="word_fault")
        expected = {
            Header.MAGIC: (MAGIC, status.MAGIC),
            Header.FORMAT: (FORMAT, status.FORMAT),
            Header.SHAPE: (shape.code, status.SHAPE),
            Header.FEATURES: (self.features_id, status.FEATURES),
        }
        bits, index_bits = shape.feature_bits, shape.feature_index_bits
        index = written[18 : 18 + index_bits]
        threshold_free = written[bits:18] if bits < 18 else written[:0]
        leaf_free = Cat(written[shape.leaf_bits : 16], written[16 + shape.leaf_bits :])
        far = written.as_signed() != written[:BIAS_BITS].as_signed()
        with m.If(header), m.Switch(place):
            for at, (value, name) in expected.items():
                with m.Case(at), m.If(written != value):
                    m.d.comb += fault.eq(name)
            with m.Case(Header.BIAS), m.If(far):
                m.d.comb += fault.eq(status.RANGE)
            with m.Case(Header.SHIFT), m.If(written > MOST_SHIFT):
                m.d.comb += fault.eq(status.RANGE)
            with m.Case(Header.UPPER, Header.LOWER, Header.MODEL):
                pass
            with m.Default(), m.If(written != 0):
                m.d.comb += fault.eq(status.RESERVED)
        with m.Elif(is_leaf), m.If(leaf_free.any()):
            m.d.comb += fault.eq(status.RESERVED)
        with m.Elif(written[18 + index_bits :].any() | threshold_free.any()):
            m.d.comb += fault.eq(status.RESERVED)
        with m.Elif(index > shape.features - 1):
            m.d.comb += fault.eq(status.NODE)
        return fault
