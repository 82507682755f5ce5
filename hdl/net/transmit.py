# SPDX-License-Identifier: Apache-2.0
"""Decisions as UDP frames."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.memory import Queue
from hdl.net.beat import BEAT, BEAT_BYTES
from hdl.net.ethernet import TYPE_IPV4
from hdl.net.ipv4 import PROTOCOL_UDP
from hdl.net.registers import TX_HEADER, pulses

__all__ = ["MOST_RECORDS", "TRANSMIT_LATENCY", "Transmit"]

RECORD_BYTES = 64
#: Most records of a frame, and records that wait.
MOST_RECORDS = 16
#: Cycles from a record taken by an idle transmitter to the first beat of its frame, and to the
#: last byte of the record in a frame of its own when the MAC takes a beat a cycle.
TRANSMIT_LATENCY = (5, 18)

_HEADER_BYTES = 42  # Ethernet 14, IPv4 20, UDP 8
_HEADER_BEATS = _HEADER_BYTES // BEAT_BYTES
_REST = _HEADER_BYTES % BEAT_BYTES  # bytes of the headers in the first beat with a record
_VERSION_AND_TOS, _DONT_FRAGMENT, _TTL = 0x4500, 0x4000, 64
_IP_AND_UDP, _UDP = 28, 8
_WORDS = 8  # words of the header that do not change from frame to frame


def _network(value: Value) -> Value:
    """Bytes of a value of whole bytes, greatest first."""
    return Cat(value[8 * n : 8 * n + 8] for n in reversed(range(len(value) // 8)))


class Transmit(wiring.Component):
    """Send records as Ethernet II, IPv4, UDP; one or more whole records are a frame's payload.

    A frame takes what waits when it begins, at most `batch` records, and never waits for more. The
    IPv4 identification counts frames, the IPv4 checksum is made while the frame's first beats
    leave, the UDP checksum is 0, none. Addresses are sampled when a frame begins; they must stand
    for 16 cycles before. A frame, once begun, is offered without a pause.

    Latency: `TRANSMIT_LATENCY`. Throughput is a beat a cycle, less one cycle a frame.

    Members
    -------
    i : In(stream(512))
        Out records.
    o : Out(stream(BEAT))
        Frames, without padding: the MAC fills short ones up, and no frame here is short.
    enable : In(1)
        Off: records are taken and counted as discarded; frames that have begun are finished.
    batch : In(5)
        Most records of a frame; 0 acts as 1, more than 16 as 16.
    header : In(TX_HEADER)
        Addresses and ports.
    counts : Out
        One pulse per counter.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8 * RECORD_BYTES)),
                "o": Out(stream.Signature(BEAT)),
                "enable": In(1),
                "batch": In(5),
                "header": In(TX_HEADER),
                "counts": Out(pulses("tx_frames", "tx_records", "tx_discarded")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(width=8 * RECORD_BYTES, depth=MOST_RECORDS)
        m.d.comb += [
            queue.w_data.eq(self.i.p),
            queue.w_en.eq(self.i.valid & self.enable),
            self.i.ready.eq(queue.w_rdy | ~self.enable),
            self.counts.tx_discarded.eq(self.i.valid & ~self.enable),
        ]

        # The sum of the words that stay is made over and over, a word a cycle.
        header = self.header
        fixed = (
            Const(_VERSION_AND_TOS, 16),
            Const(_DONT_FRAGMENT, 16),
            Const(_TTL << 8 | PROTOCOL_UDP, 16),
            header.src_ip[16:],
            header.src_ip[:16],
            header.dst_ip[16:],
            header.dst_ip[:16],
            Const(0, 16),
        )
        turn, running, fixed_sum = Signal(range(_WORDS)), Signal(19), Signal(19)
        word = Signal(16)
        with m.Switch(turn):
            for n, each in enumerate(fixed):
                with m.Case(n):
                    m.d.comb += word.eq(each)
        m.d.sync += [turn.eq(turn + 1), running.eq(Mux(turn == 0, 0, running) + word)]
        with m.If(turn == 0):
            m.d.sync += fixed_sum.eq(running)

        # A frame begins: how many records, its lengths, and its checksum in four steps.
        sending, at = Signal(), Signal(range(_HEADER_BEATS + 1))
        moves, begins, left = Signal(), Signal(), Signal(5)
        most, records, identity = Signal(5), Signal(5), Signal(16)
        total, checksum, folded = Signal(16), Signal(20), Signal(17)
        frame = Signal(TX_HEADER)
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            most.eq(
                Mux(self.batch == 0, 1, Mux(self.batch > MOST_RECORDS, MOST_RECORDS, self.batch))
            ),
            begins.eq(~sending & queue.r_rdy),
        ]
        summed, twice = Signal(), Signal()
        m.d.sync += [summed.eq(begins), twice.eq(summed)]
        length = Signal(16)
        m.d.comb += length.eq(_IP_AND_UDP + (records << 6))
        with m.If(begins):
            m.d.sync += [
                sending.eq(1),
                at.eq(0),
                frame.eq(header),
                records.eq(Mux(queue.level > most, most, queue.level)),
                checksum.eq(fixed_sum + identity),
            ]
        with m.If(summed):
            m.d.sync += [total.eq(length), checksum.eq(checksum + length), left.eq(records)]
        with m.If(twice):
            m.d.sync += folded.eq(checksum[:16] + checksum[16:])

        # Five beats of headers, then records, two bytes late.
        record, before = Signal(8 * RECORD_BYTES), Signal(8 * _REST)
        part, body = Signal(range(RECORD_BYTES // BEAT_BYTES)), Signal()
        ip_checksum = ~(folded[:16] + folded[16])[:16]
        text = Cat(
            _network(frame.dst_mac),
            _network(frame.src_mac),
            _network(Const(TYPE_IPV4, 16)),
            _network(Const(_VERSION_AND_TOS, 16)),
            _network(total),
            _network(identity),
            _network(Const(_DONT_FRAGMENT, 16)),
            _network(Const(_TTL << 8 | PROTOCOL_UDP, 16)),
            _network(ip_checksum),
            _network(frame.src_ip),
            _network(frame.dst_ip),
            _network(frame.src_port),
            _network(frame.dst_port),
            _network((total - _IP_AND_UDP + _UDP)[:16]),
            Const(0, 16),
        )
        out = self.o.p
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(sending & ~summed & moves):
            m.d.sync += [
                self.o.valid.eq(1),
                out.count.eq(BEAT_BYTES),
                out.last.eq(0),
                at.eq(at + 1),
            ]
            with m.Switch(at):
                for n in range(_HEADER_BEATS):
                    with m.Case(n):
                        m.d.sync += out.data.eq(text[64 * n : 64 * n + 64])
                with m.Default():
                    m.d.comb += body.eq(1)
            with m.If(at == 0):
                m.d.comb += self.counts.tx_frames.eq(1)
                m.d.sync += [part.eq(0), before.eq(0)]  # behind the headers: no UDP checksum
        with m.If(body):
            words = Mux(part == 0, queue.r_data, record)
            m.d.sync += [
                at.eq(_HEADER_BEATS),
                part.eq(part + 1),
                record.eq(words[64:]),
                out.data.eq(Cat(before, words[: 64 - 8 * _REST])),
                before.eq(words[64 - 8 * _REST : 64]),
            ]
            with m.If(left == 0):
                m.d.sync += [
                    out.count.eq(_REST),
                    out.last.eq(1),
                    sending.eq(0),
                    identity.eq(identity + 1),
                ]
            with m.Elif(part == 0):
                m.d.comb += [queue.r_en.eq(1), self.counts.tx_records.eq(1)]
            with m.If((left != 0) & (part == RECORD_BYTES // BEAT_BYTES - 1)):
                m.d.sync += left.eq(left - 1)
        return m
