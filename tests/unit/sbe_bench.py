# SPDX-License-Identifier: Apache-2.0
"""The SBE decoder alone in the Amaranth simulator, beat by beat."""

import random
from typing import NamedTuple

from hdl.config import BuildConfig
from hdl.feed.sbe.decoder import SbeDecoder
from sim.reference_sbe import InRecord, SbeReference
from tests.unit.sbe_bytes import unit
from tests.unit.simulate import run

CONFIG = BuildConfig(symbols=2, levels=3, qty_bits=16, sbe=True)
PRICE, QTY = 10, 1000  # mantissas of a tick and a lot
#: Beats of 16 bytes after which a depth diff's root is complete.
ROOT_BEATS = 4
#: Cycles after the last beat in which a frame must have left.
PATIENCE = 64


class Frame(NamedTuple):
    """One frame; an `update_id` in place of data is a note that the book is there.

    With a `price`, a tick of so many mantissas is committed while the frame's levels come in.
    """

    data: bytes = b""
    tag: int = 1
    hold: bool = False
    error: bool = False
    update_id: int | None = None
    price: int | None = None


class Made(NamedTuple):
    """What came of it, and when."""

    records: list[InRecord]
    record_cycles: list[int]
    beat_cycles: list[list[int]]  # by frame: accept of each beat
    counts: dict[str, int]
    tickers: list[tuple[int, ...]]


def scaled(symbol=1, price=PRICE, qty=QTY):
    """Registers of the scales, as the reference takes them."""
    yield "sbe_enable", 1
    for side, mantissas, exponent in (("price", price, -2), ("qty", qty, -3)):
        for name, value in unit(mantissas, exponent).items():
            yield f"sbe_{side}_{name}", value
    yield "sbe_commit", symbol


def decode(frames, width=16, seed=None, schema=None, price=PRICE, qty=QTY, output_pauses=True):
    """Send frames; with a seed, with pauses on both sides or at the input alone."""
    dut, rng = SbeDecoder(CONFIG, width, schema), random.Random(seed)
    made = Made([], [], [], {}, [])
    done, clock = [], [0]

    def pause():
        return seed is not None and rng.random() < 0.3

    async def source(ctx):
        ctx.set(dut.shadow, {"enable": 1, "price": unit(price, -2), "qty": unit(qty, -3)})
        while not ctx.get(dut.init_done):
            await ctx.tick()
        ctx.set(dut.commit, 1)
        ctx.set(dut.commit_symbol, 1)
        await ctx.tick()
        ctx.set(dut.commit, 0)
        for frame in frames:
            if frame.hold != ctx.get(dut.hold) or frame.update_id is not None:
                for _ in range(PATIENCE):
                    if ctx.get(dut.at_rest):
                        break
                    await ctx.tick()
                ctx.set(dut.hold, frame.hold)
            if frame.update_id is not None:
                ctx.set(
                    dut.note,
                    {"en": 1, "symbol": frame.tag, "synced": 1, "id": frame.update_id},
                )
                await ctx.tick()
                ctx.set(dut.note.en, 0)
                continue
            made.beat_cycles.append([])
            for at in range(0, len(frame.data), width):
                while pause():
                    await ctx.tick()
                part = frame.data[at : at + width]
                filler = rng.randbytes(width - len(part))
                last = at + width >= len(frame.data)
                ctx.set(dut.i.valid, 1)
                ctx.set(
                    dut.i.p,
                    {
                        "data": int.from_bytes(part + filler, "little"),
                        "count": len(part),
                        "last": last,
                        "tag": frame.tag,
                        "error": last and frame.error,
                    },
                )
                for _ in range(PATIENCE * 4):
                    _, _, ready = await ctx.tick().sample(dut.i.ready)
                    now = clock[0]  # the sink, which runs after this, counts on
                    if ready:
                        break
                else:
                    raise AssertionError(f"a beat was not taken: {frame}")
                made.beat_cycles[-1].append(now)
                ctx.set(dut.i.valid, 0)
                ctx.set(dut.commit, 0)
                if frame.price is not None and at // width == ROOT_BEATS:
                    ctx.set(dut.shadow.price, unit(frame.price, -2))
                    ctx.set(dut.commit, 1)
        for _ in range(PATIENCE * 4):
            if ctx.get(dut.at_rest):
                break
            await ctx.tick()
        else:
            raise AssertionError("the decoder has not come to rest")
        done.append(1)

    async def sink(ctx):
        names = [name for name, _ in dut.counts.shape()]
        while not done:
            ctx.set(dut.o.ready, not (output_pauses and pause()))
            _, _, valid, ready, record, counts, ticker, told = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.p, dut.counts, dut.ticker, dut.ticker_valid
            )
            if valid and ready:
                made.records.append(InRecord(*(int(record[name]) for name in _FIELDS)))
                made.record_cycles.append(clock[0])
            for name in names:
                if counts[name]:
                    made.counts[name] = made.counts.get(name, 0) + 1
            if told:
                made.tickers.append(tuple(_flat(ticker)))
            clock[0] += 1

    run(dut, source, sink)
    return made


_FIELDS = ("kind", "flags", "symbol", "tag", "price_ticks", "value")


def _flat(value):
    for name, _ in value.shape():
        field = value[name]
        if hasattr(field, "shape"):
            yield from _flat(field)
        else:
            yield int(field)


def expected(frames, price=PRICE, qty=QTY):
    """The same from the reference model."""
    model = SbeReference(CONFIG.symbols, CONFIG.qty_bits)
    for name, value in scaled(price=price, qty=qty):
        model.write(name, value)
    records, tickers = [], []
    for frame in frames:
        if frame.update_id is not None:
            model.native(InRecord(5, 8, frame.tag, 0, 0, frame.update_id))
            continue
        made, ticker = model.message(frame.tag, frame.data, hold=frame.hold, damaged=frame.error)
        records += made
        tickers += [] if ticker is None else [tuple(ticker)]
    return records, {name: n for name, n in model.counts.items() if n}, tickers


def assert_decodes(frames, width=16, seed=None, **units):
    """The decoder makes of the frames what the reference makes."""
    made = decode(frames, width, seed, **units)
    records, counts, tickers = expected(frames, **units)
    assert made.records == records
    assert made.counts == counts
    assert made.tickers == tickers
    return made
