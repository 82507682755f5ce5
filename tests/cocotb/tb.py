# SPDX-License-Identifier: Apache-2.0
"""The bench around the whole pipeline: clock, registers, streams, and a watch on both streams."""

import logging
import random
from collections import defaultdict
from itertools import repeat

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from hdl.pipeline import DECISION_LATENCY
from host.contract.records import DECISION_DTYPE, InKind, OutKind
from host.contract.registers import COUNTERS, REGISTERS
from sim.compare import compare
from sim.reference import Reference

#: Cycles without a word on either stream after which nothing more can come.
QUIET_CYCLES = 64
SWEEP_LIMIT = 10_000


def no_pauses(_rng):
    return None


def random_pauses(rng):
    """Half of the cycles, at random."""
    return (rng.random() < 0.5 for _ in repeat(None))


def bursty_pauses(rng):
    """Long runs with and without."""
    while True:
        yield from repeat(False, rng.randint(1, 80))
        yield from repeat(True, rng.randint(1, 500))


PAUSES = {"none": no_pauses, "random": random_pauses, "bursty": bursty_pauses}


class Watch:
    """Looks at both streams in every cycle, at the rising edge.

    Attributes
    ----------
    cycle : int
        Edges without hard reset so far: the number of the cycle that the next edge ends.
    accepted : list of int
        Cycle in which each in record was accepted.
    faults : list of str
        Broken stream rules.
    """

    def __init__(self, dut):
        self.dut = dut
        self.cycle = 0
        self.accepted = []
        self.faults = []
        self.quiet = 0
        self.ready_cycles = self.waiting_in = self.waiting_out = 0
        self.held = {"s": None, "m": None}

    def forget(self):
        """A reset withdraws what was waiting on the output."""
        self.held["m"] = None

    async def run(self):
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        streams = (
            ("s", dut.s_tdata, dut.s_tvalid, dut.s_tready),
            ("m", dut.m_tdata, dut.m_tvalid, dut.m_tready),
        )
        while True:
            await edge
            if dut.rst.value:
                self.held = {"s": None, "m": None}
                continue
            self.quiet += 1
            for name, tdata, tvalid, tready in streams:
                valid, ready = bool(tvalid.value), bool(tready.value)
                held = self.held[name]
                if held is not None:
                    if not valid:
                        self.faults.append(f"cycle {self.cycle}: {name}_tvalid fell before ready")
                    elif tdata.value.to_unsigned() != held:
                        self.faults.append(f"cycle {self.cycle}: {name}_tdata changed before ready")
                self.held[name] = tdata.value.to_unsigned() if valid and not ready else None
                if valid:
                    self.quiet = 0
                if name == "s":
                    self.ready_cycles += ready
                    self.waiting_in += valid and not ready
                    if valid and ready:
                        self.accepted.append(self.cycle)
                else:
                    self.waiting_out += valid and not ready
            self.cycle += 1


class TB:
    """The fabric, reset and ready, with a reference model beside it."""

    def __init__(self, dut, seed=0, source_pauses="none", sink_pauses="none"):
        self.dut = dut
        self.rng = random.Random(seed)
        for name in ("s_tvalid", "m_tready", "reg_addr", "reg_w_data", "reg_w_en", "reg_r_en"):
            getattr(dut, name).value = 0
        dut.rst.value = 1
        Clock(dut.clk, 10, "ns").start()
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m"), dut.clk, dut.rst)
        self.source.set_pause_generator(PAUSES[source_pauses](self.rng))
        self.sink.set_pause_generator(PAUSES[sink_pauses](self.rng))
        self.watch = Watch(dut)
        self.reference = None
        self.sent = []

    @classmethod
    async def start(cls, dut, config, **options):
        """A bench after a hard reset, whatever the fabric did before."""
        tb = cls(dut, **options)
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
        cocotb.start_soon(tb.watch.run())
        await tb.swept()
        built = tuple([await tb.read(f"build_{n}") for n in ("symbols", "levels", "qty_bits")])
        tb.sizes = (config.symbols, config.levels, config.qty_bits)
        assert built == tb.sizes, f"build: expected {tb.sizes}, was {built}"
        tb.reference = Reference(*tb.sizes)
        return tb

    async def swept(self):
        """Wait until the memories are swept."""
        for _ in range(SWEEP_LIMIT):
            if await self.read("status") & 1:
                return
        raise AssertionError(f"status: expected bit 0 in {SWEEP_LIMIT} reads, was 0")

    # Registers

    async def write_word(self, address, value):
        self.dut.reg_addr.value = address
        self.dut.reg_w_data.value = value
        self.dut.reg_w_en.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.reg_w_en.value = 0

    async def read_word(self, address):
        self.dut.reg_addr.value = address
        self.dut.reg_r_en.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.reg_r_en.value = 0
        await RisingEdge(self.dut.clk)
        return self.dut.reg_r_data.value.to_unsigned()

    async def write(self, name, value):
        """Write a register, low word first; the reference is told as well."""
        register = REGISTERS[name]
        for word in range((register.bits + 31) // 32):
            await self.write_word(register.address + word, value >> 32 * word & 0xFFFFFFFF)
        if self.reference is not None:
            self.reference.write(name, value)

    async def read(self, name):
        register = REGISTERS[name]
        value = await self.read_word(register.address)
        if register.bits > 32:
            value |= await self.read_word(register.address + 1) << 32
        return value

    async def configure(self, settings):
        for name, value in settings:
            await self.write(name, value)

    async def counters(self):
        return {name: await self.read(name) for name in COUNTERS}

    # Streams

    def send(self, records):
        """Queue records; a frame without TLAST goes out as a beat of 16 bytes each."""
        self.sent.append(records)
        self.source.send_nowait(AxiStreamFrame(records.tobytes()))

    def received(self):
        """Out records since the last call, shape (n, 64)."""
        data = bytearray()
        while not self.sink.empty():
            data += bytes(self.sink.recv_nowait().tdata)
        return np.frombuffer(bytes(data), np.uint8).reshape(-1, 64)

    async def drain(self):
        """Wait until every queued record was taken and every answer has come."""
        await self.source.wait()
        while not self.source.idle() or self.watch.quiet < QUIET_CYCLES:
            await ClockCycles(self.dut.clk, 8)

    async def run(self, records):
        """Send records, and compare every answer with the reference's."""
        self.send(records)
        await self.drain()
        actual = self.received()
        result = compare(self.reference.feed(records), actual)
        assert result.equal, str(result)
        return actual

    async def check(self):
        """Counters are the reference's, and no stream rule was broken."""
        assert not self.watch.faults, "\n".join(self.watch.faults[:5])
        actual, expected = await self.counters(), self.reference.counters
        wrong = {n: (expected[n], actual[n]) for n in expected if expected[n] != actual[n]}
        assert not wrong, f"counters, expected and actual: {wrong}"

    async def check_latency(self, out):
        """Decisions come a constant number of cycles after their events, by the pins' own clock."""
        decisions = decisions_of(out)
        latency = decisions["latency_cycles"]
        assert (latency == DECISION_LATENCY).all(), f"latency: {np.unique(latency)}"
        records = np.concatenate(self.sent)
        ends, begins, begin = defaultdict(list), {}, defaultdict(lambda: None)
        for at, record in enumerate(records):
            symbol = int(record["symbol"])
            if record["kind"] == InKind.EVENT_BEGIN and not (
                record["flags"] or record["tag"] or record["price_ticks"]
            ):
                begin[symbol] = self.watch.accepted[at]
            elif record["kind"] == InKind.EVENT_END:
                cycle = self.watch.accepted[at]
                ends[symbol, int(record["value"])].append(cycle)
                begins[cycle] = begin[symbol]
        for row in decisions:
            end = int(row["cycle_decision"]) - DECISION_LATENCY
            accepted = ends[int(row["symbol"]), int(row["update_id"])]
            assert end in accepted, f"decision {row}: expected its event in {accepted}, was {end}"
            first = int(row["cycle_decision"]) - int(row["span_cycles"])
            assert begins[end] == first, f"decision {row}: expected {begins[end]}, was {first}"
        least, most = await self.read("latency_min"), await self.read("latency_max")
        if len(decisions):
            assert (least, most) == (DECISION_LATENCY, DECISION_LATENCY)

    async def wiggle(self, seen):
        """Toggle s_tvalid and m_tready in the low half of each cycle, and put them back.

        What the other side of each handshake shows must not follow; `seen` collects it.
        """
        dut = self.dut
        sides = (
            ("s", dut.s_tvalid, (dut.s_tready,), dut.s_tdata),
            ("m", dut.m_tready, (dut.m_tvalid, dut.m_tdata), None),
        )
        while True:
            await FallingEdge(dut.clk)
            for name, driven, watched, payload in sides:
                before = driven.value
                word = None if payload is None else payload.value
                shown = []
                for value in (0, 1):
                    driven.value = value
                    if payload is not None:
                        payload.value = self.rng.getrandbits(len(payload))
                    await Timer(1, "ns")
                    shown.append([int(signal.value) for signal in watched])
                driven.value = before
                if payload is not None:
                    payload.value = word
                if shown[0] != shown[1]:
                    self.watch.faults.append(
                        f"cycle {self.watch.cycle}: {name} follows {driven._name}"
                    )
                seen.add((name, shown[0][0]))


def decisions_of(out):
    """Decisions of a stream of out records, shape (n,) of DECISION_DTYPE."""
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION])
    return rows.view(DECISION_DTYPE).reshape(-1)
