# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of the network: frames of scapy through cocotbext-eth's MACs at 10 Gbit/s."""

import logging
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from cocotbext.eth import EthMacFrame, EthMacRx, EthMacTx

from hdl.net.network import HELD, SHOWN
from hdl.net.registers import DROPS
from hdl.net.top import COUNTER_VALUES
from sim.reference_lines import Filter, mold, receive
from tests.unit.net_frames import GROUP, PORT, STATION, build, number
from tests.unit.test_net_arbiter import check_union
from tests.unit.test_net_receive import mutated
from tests.unit.test_net_transmit import HEADER, check_frame

TESTS = (
    "lines_that_lose_repeat_and_shuffle_leave_their_union",
    "mutated_frames_are_judged_as_the_reference_judges_them",
    "decisions_leave_as_frames",
)
PERIOD_PS, SPEED = 6400, 10_000_000_000  # 64 bits at 156.25 MHz
LINE_TAG, OTHER_TAG = 5, 9
FILTERS = [Filter(number(GROUP), PORT, LINE_TAG), Filter(number(GROUP), PORT + 1, OTHER_TAG)]
NOW = b"SESSION..2"


class NetBench:
    """Two receiving MACs, one sending, and the settings."""

    def __init__(self, dut, seed):
        self.dut, self.rng = dut, random.Random(seed)
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)
        for name in "ab":
            logging.getLogger(f"cocotb.{dut._name}.{name}").setLevel(logging.WARNING)
        for name in ("m", "x", "y"):
            getattr(dut, f"{name}_tready").value = 0
        dut.rst.value = 1
        Clock(dut.clk, PERIOD_PS, "ps").start()
        bus = AxiStreamBus.from_prefix
        self.macs = [EthMacRx(bus(dut, name), dut.clk, dut.rst, speed=SPEED) for name in "ab"]
        self.sinks = {name: AxiStreamSink(bus(dut, name), dut.clk, dut.rst) for name in "mxy"}
        self.mac_tx = EthMacTx(bus(dut, "tx"), dut.clk, dut.rst, speed=SPEED)
        self.records = AxiStreamSource(bus(dut, "r"), dut.clk, dut.rst)

    @classmethod
    async def start(cls, dut, seed, **settings):
        bench = cls(dut, seed)
        values = {"net_mac": number(STATION), "line_tag": LINE_TAG, "line_window": 400}
        for n, entry in enumerate(FILTERS):
            values |= {f"net_group{n}": entry.group, f"net_port{n}": entry.port}
            values[f"net_tag{n}"] = 0x100 | entry.tag
        dut.held.value = HELD.const(values | settings).as_bits()
        dut.restart.value = 0
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 4)
        return bench

    def send(self, line, frame):
        self.macs[line].send_nowait(EthMacFrame.from_raw_payload(frame))

    async def drain(self, cycles=2000):
        """Wait until every frame has come, and so many cycles more."""
        while not all(mac.empty() for mac in self.macs):
            await ClockCycles(self.dut.clk, 100)
        await ClockCycles(self.dut.clk, cycles)

    def received(self, name):
        """Payloads that left: bytes, tag, error."""
        out = []
        while not self.sinks[name].empty():
            frame = self.sinks[name].recv_nowait()
            user = frame.tuser[-1] if isinstance(frame.tuser, list) else frame.tuser
            out.append((bytes(frame.tdata), int(user) >> 1, bool(int(user) & 1)))
        return out

    def counters(self):
        return COUNTER_VALUES.from_bits(self.dut.counters.value.to_unsigned())

    def shown(self):
        return SHOWN.from_bits(self.dut.shown.value.to_unsigned())


def text(n):
    return n.to_bytes(8, "big").lstrip(b"\0") + b"." * (n * 7 % 23)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(seed=[1, 2])
async def lines_that_lose_repeat_and_shuffle_leave_their_union(dut, seed):
    """Thousands of packets back to back; each line loses, repeats and swaps its own."""
    bench, rng = await NetBench.start(dut, seed), random.Random(seed)
    packets, first = [], 1
    while first < 3000:
        size, begin = rng.choice([1, 1, 2, 3, 5]), max(1, first - rng.choice([0] * 9 + [2]))
        packets.append(mold(NOW, begin, [text(n) for n in range(begin, begin + size)]))
        first = max(first, begin + size)
    steps = []
    for n, payload in enumerate(packets):
        steps += [payload] + [packets[n - 3]] * (n > 3 and rng.random() < 0.03)
    steps += [packets[-1]] * 20
    lines = []
    for line in range(2):
        order = list(enumerate(steps))
        for _ in range(len(steps) // 8):
            at = rng.randrange(len(steps) - 25)
            order[at], order[at + 2] = order[at + 2], order[at]
        heard = []
        for n, (_, payload) in enumerate(order):
            # What a line loses still takes its time there, as a frame for nobody.
            lost = rng.random() < 0.08 and n < len(steps) - 20
            bench.send(line, build(payload, port=PORT + 9 if lost else PORT, vlan=3))
            if not lost:
                heard.append((0, payload, False, LINE_TAG))
        lines.append(heard)
    await bench.drain()
    frames = bench.received("m")
    lost, missing = check_union([(p, tag, e) for p, tag, e in frames], lines)
    assert lost == missing
    assert len(missing) > 1, "some messages were on neither line"
    counts = bench.counters()
    assert counts["line_a_duplicates"] + counts["line_b_duplicates"] > len(packets) // 2
    assert counts["line_trimmed"] > 10
    assert bench.shown()["line_lost"] == len(lost)
    assert bench.shown()["line_expected"] == first
    dut._log.warning(
        f"{len(packets)} packets a line, {len(lost)} messages on neither line, "
        f"{counts['line_gaps']} gaps, {counts['line_trimmed']} trimmed"
    )


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(seed=[1, 2])
async def mutated_frames_are_judged_as_the_reference_judges_them(dut, seed):
    """Both lines get rubbish and broken frames; every counter is the reference's."""
    bench, rng = await NetBench.start(dut, seed, line_tag=200), random.Random(seed)
    for line, name in ((0, "a"), (1, "b")):
        expected = {name: 0 for name, _ in DROPS} | {"": 0}
        delivered = []
        for _ in range(1500):
            frame, _ = mutated(rng)
            told = receive(frame, False, FILTERS)
            expected[told.drop] += 1
            if told.payload:
                # What ended with an error leaves as one beat that says so.
                delivered.append(
                    (b"\0", told.tag, True) if told.error else (told.payload, told.tag, False)
                )
            bench.send(line, frame)
        await bench.drain(200)
        counts = bench.counters()
        found = {reason: counts[f"net_{name}_drop_{reason}"] for reason, _ in DROPS}
        assert {**found, "": counts[f"net_{name}_packets"]} == expected
        assert counts[f"net_{name}_frames"] == 1500
        # Losses of a tag with nothing kept between them are told once.
        merged = []
        for each in delivered:
            behind = merged[
                len(merged)
                - next((n for n, old in enumerate(reversed(merged)) if not old[2]), len(merged)) :
            ]
            if not (each[2] and each in behind):
                merged.append(each)
        assert bench.received("xy"[line]) == merged
        assert sum(not error for _, _, error in merged) > 150


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(batch=[1, 4, 16])
async def decisions_leave_as_frames(dut, batch):
    settings = {
        f"tx_{name}": number(value) if isinstance(value, str) else value
        for name, value in HEADER.items()
        if name != "src_mac"
    }
    bench = await NetBench.start(dut, 1, tx_enable=1, tx_batch=batch, **settings)
    await ClockCycles(dut.clk, 20)
    sent = b""
    for n in range(300):
        record = bench.rng.randbytes(64)
        sent += record
        bench.records.send_nowait(AxiStreamFrame(record))
        if n % 7 == 0:
            await ClockCycles(dut.clk, bench.rng.randint(1, 120))
    got, ids = b"", []
    while len(got) < len(sent):
        frame = await bench.mac_tx.recv()
        payload, number_of_frame = check_frame(bytes(frame))
        got += payload
        ids.append(number_of_frame)
    assert got == sent
    assert ids == list(range(len(ids)))
    assert (len(ids) == 300) == (batch == 1)
    assert bench.counters()["tx_frames"] == len(ids)
