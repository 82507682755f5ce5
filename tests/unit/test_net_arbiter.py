# SPDX-License-Identifier: Apache-2.0
"""Lines A and B: what leaves is the union in order, each message once, or a declared loss."""

import random

import pytest

from hdl.net.arbiter import Arbiter
from sim.reference_lines import END_OF_SESSION, ArbiterModel, Given, mold, split
from tests.unit.net_bench import beats
from tests.unit.simulate import run

OLD, NOW, NEXT, THIRD = b"SESSION..1", b"SESSION..2", b"SESSION..3", b"SESSION..4"
TAG = 5
#: Cycles after which nothing more comes, beyond the window.
SETTLE_CYCLES = 400


def told(frames):
    """Frames that left, as what they say."""
    out = []
    for payload, tag, error in frames:
        assert tag == TAG
        packet = split(payload)
        if error:
            assert len(payload) == 20
            what = "lost" if packet.count else "session"
            out.append(Given(what, packet.session, packet.first, packet.count))
            continue
        assert len(packet.messages) == packet.count > 0
        assert len(payload) == 20 + sum(2 + len(message) for message in packet.messages)
        out += [
            Given("message", packet.session, packet.first + n, 1, message)
            for n, message in enumerate(packet.messages)
        ]
    return out


def arbitrate(
    lines,
    *,
    slots=8,
    slot_bytes=512,
    window=1000,
    first=0,
    seed=0,
    held_up=0.0,
    stall=0.0,
    end=None,
):
    """Arrivals (cycle, payload, error, tag) of both lines; what left, counters, registers.

    A payload is sent from its cycle on, or behind the one before.
    """
    dut, rng = Arbiter(slots, slot_bytes), random.Random(seed)
    frames, totals, finished = [], {}, []
    last = end or max(each[0] for line in lines for each in line) + window + SETTLE_CYCLES

    def feed(port, line, seed):
        async def source(ctx):
            rng, cycle = random.Random(seed), 0
            ctx.set(dut.tag, TAG)
            ctx.set(dut.window, window)
            ctx.set(dut.first, first)
            for when, payload, error, tag in line:
                ctx.set(port.valid, 0)
                while cycle < when or rng.random() < stall:
                    await ctx.tick()
                    cycle += 1
                for word, count, ends, wrong in beats(payload, error):
                    while rng.random() < stall:
                        ctx.set(port.valid, 0)
                        await ctx.tick()
                        cycle += 1
                    ctx.set(port.valid, 1)
                    fields = {"data": word, "count": count, "last": ends, "error": wrong}
                    ctx.set(port.p, {**fields, "tag": tag})
                    await ctx.tick()
                    cycle += 1
            ctx.set(port.valid, 0)
            while cycle < last:
                await ctx.tick()
                cycle += 1
            finished.append(True)

        return source

    async def watch(ctx):
        groups = (("a_", dut.counts_a), ("b_", dut.counts_b), ("", dut.counts))
        names = [(pre + name, each[name]) for pre, each in groups for name in each.shape().members]
        totals.update(dict.fromkeys((name for name, _ in names), 0))
        while len(finished) < 2:
            for name, pulse in names:
                totals[name] += ctx.get(pulse)
            await ctx.tick()
        totals.update(expected=ctx.get(dut.expected), lost=ctx.get(dut.lost))

    async def sink(ctx):
        begun = b""
        while len(finished) < 2:
            ready, p = rng.random() >= held_up, dut.o.p
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                begun += ctx.get(p.data).to_bytes(8, "little")[: ctx.get(p.count)]
                assert ctx.get(p.last) or ctx.get(p.count) == 8
                if ctx.get(p.last):
                    frames.append((begun, ctx.get(p.tag), bool(ctx.get(p.error))))
                    begun = b""
            await ctx.tick()
        assert not begun, "every packet ends"

    run(dut, feed(dut.a, lines[0], seed + 1), feed(dut.b, lines[1], seed + 2), watch, sink)
    return frames, totals


def text(number):
    """The message of a number: of many lengths, and no two alike."""
    return number.to_bytes(8, "big").lstrip(b"\0") + b"." * (number * 7 % 23)


def packet(first, count, session=NOW):
    return mold(session, first, [text(n) for n in range(first, first + count)])


def line(*entries, every=60, start=0):
    """Arrivals at regular cycles; None is none."""
    return [
        (start + every * n, entry, False, TAG)
        for n, entry in enumerate(entries)
        if entry is not None
    ]


def numbers(frames):
    return [each.first for each in told(frames) if each.what == "message"]


def losses(frames):
    return [(each.first, each.count) for each in told(frames) if each.what == "lost"]


def test_the_first_copy_wins_and_the_second_is_dropped():
    packets = [packet(n, 2) for n in range(1, 21, 2)]
    frames, totals = arbitrate((line(*packets), line(*packets, start=25)))
    assert [frame for frame, _, error in frames if not error] == packets
    assert told(frames)[0] == Given("session", NOW, 1, 0)
    assert (totals["a_duplicates"], totals["b_duplicates"]) == (0, 10)
    assert (totals["line_given"], totals["expected"], totals["lost"]) == (10, 21, 0)


def test_what_one_line_lost_comes_from_the_other():
    packets = [packet(n, 1) for n in range(1, 13)]
    a = [None if n in (2, 3, 7) else each for n, each in enumerate(packets)]
    b = [None if n in (4, 8, 11) else each for n, each in enumerate(packets)]
    frames, totals = arbitrate((line(*a), line(*b, start=100)))
    assert numbers(frames) == list(range(1, 13))
    assert (totals["lost"], totals["line_gaps"]) == (0, 0)


def test_what_both_lines_lost_is_declared_after_the_window():
    packets = [packet(n, 2) for n in (1, 3, 9, 11)]
    frames, totals = arbitrate((line(*packets), line(*packets, start=20)), window=500)
    assert numbers(frames) == [1, 2, 3, 4, 9, 10, 11, 12]
    assert losses(frames) == [(5, 4)]
    assert (totals["lost"], totals["line_gaps"]) == (4, 1)


@pytest.mark.parametrize(("late", "lost"), [(460, []), (560, [(2, 1)])])
def test_a_fill_is_taken_within_the_window_and_not_behind_it(late, lost):
    """The gap is found at cycle 60 and a little more; the window is 450 cycles."""
    a = line(packet(1, 1), packet(3, 1), every=60)
    frames, totals = arbitrate((a, line(packet(2, 1), start=late)), window=450)
    assert losses(frames) == lost
    assert numbers(frames) == ([1, 3] if lost else [1, 2, 3])
    assert totals["b_duplicates"] == len(lost)


def test_a_packet_that_overlaps_what_was_given_leaves_without_those_messages():
    """By hand: 1 to 4, then 3 to 7 without 3 and 4, then 7 to 8 without 7, at odd byte lengths."""
    frames, totals = arbitrate(
        (line(packet(1, 4), packet(3, 5), packet(7, 2)), line(packet(2, 2), start=400))
    )
    assert [(split(f).first, split(f).count) for f, _, e in frames if not e] == [
        (1, 4),
        (5, 3),
        (8, 1),
    ]
    assert numbers(frames) == list(range(1, 9))
    assert [each.message for each in told(frames)[1:]] == [text(n) for n in range(1, 9)]
    assert (totals["line_trimmed"], totals["b_duplicates"]) == (2, 1)


@pytest.mark.parametrize(
    "sizes", [(0, 0, 0), (1, 2, 3), (6, 6, 6), (7, 0, 8), (40, 1, 0), (5, 50, 13)]
)
@pytest.mark.parametrize("skip", [1, 2])
def test_every_byte_offset_is_trimmed_right(sizes, skip):
    messages = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    a = line(mold(NOW, 11 - skip, [b"x"] * skip), mold(NOW, 11 - skip, messages))
    frames, _ = arbitrate((a, []))
    assert [f for f, _, e in frames if not e][1:] == [mold(NOW, 11, messages[skip:])]


@pytest.mark.parametrize("second", [b"\xff\xff", b"\x00\x09", b"\x00\x08"])
def test_a_packet_that_cannot_be_walked_is_declared_lost(second):
    """Its second length leads past its end, or leaves no room for the message that remains."""
    broken = NOW + (1).to_bytes(8, "big") + (3).to_bytes(2, "big") + b"\0\1x" + second + b"y" * 9
    frames, totals = arbitrate((line(packet(1, 2), broken, packet(4, 1)), []))
    assert (numbers(frames), losses(frames)) == ([1, 2, 4], [(3, 1)])
    assert (totals["line_broken"], totals["lost"]) == (1, 1)


def test_a_heartbeat_tells_of_a_loss_at_the_end():
    frames, totals = arbitrate((line(packet(1, 2), mold(NOW, 6, [])), []), window=300)
    assert (numbers(frames), losses(frames)) == ([1, 2], [(3, 3)])
    frames, totals = arbitrate((line(packet(1, 2), mold(NOW, 3, []), packet(3, 1)), []))
    assert (numbers(frames), losses(frames), totals["a_heartbeats"]) == ([1, 2, 3], [], 1)
    end = mold(NOW, 5, [], count=END_OF_SESSION)
    frames, totals = arbitrate((line(packet(1, 2), end), []), window=300)
    assert (losses(frames), totals["a_heartbeats"]) == ([(3, 2)], 1)


def test_a_lack_of_slots_ends_the_wait():
    """Eight slots; the sixth packet that waits leaves a quarter of them free."""
    frames, totals = arbitrate(
        (line(packet(1, 1), *[packet(n, 1) for n in range(3, 10)]), []), window=10**6, end=2000
    )
    assert (numbers(frames), losses(frames)) == ([1, *range(3, 10)], [(2, 1)])
    assert totals["a_overflow"] == 0


def test_another_session_begins_when_the_first_is_done_and_never_comes_back():
    a = line(packet(1, 1), packet(4, 1), packet(50, 2, NEXT), packet(52, 1, NEXT))
    b = line(packet(1, 1), packet(4, 1), packet(50, 1, NEXT), packet(5, 1, NOW), start=30)
    frames, totals = arbitrate((a, b), window=10**5, end=2000)
    assert told(frames) == [
        Given("session", NOW, 1, 0),
        Given("message", NOW, 1, 1, text(1)),
        Given("lost", NOW, 2, 2),
        Given("message", NOW, 4, 1, text(4)),
        Given("session", NEXT, 50, 0),
        *(Given("message", NEXT, n, 1, text(n)) for n in (50, 51, 52)),
    ]
    assert (totals["b_old_session"], totals["line_sessions"]) == (1, 2)


def test_a_session_may_be_told_to_begin_at_one():
    frames, _ = arbitrate((line(packet(4, 1)), []), first=1, window=100)
    assert (told(frames)[0], losses(frames)) == (Given("session", NOW, 1, 0), [(1, 3)])


MALFORMED = {
    "short": (mold(NOW, 1, [])[:19], False),
    "one byte": (b"x", False),
    "damaged": (packet(1, 2), True),
    "count": (mold(NOW, 1, [b""], count=2), False),
    "long": (mold(NOW, 1, [b"x" * 491]), False),
    "longer": (mold(NOW, 1, [b"x" * 900]), False),
    "past the last number": (mold(NOW, (1 << 64) - 1, [b"", b""]), False),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_packet_is_counted_and_nothing_of_it_leaves(name):
    payload, error = MALFORMED[name]
    a = [(0, packet(1, 1), False, TAG), (60, payload, error, TAG), (240, packet(2, 1), False, TAG)]
    frames, totals = arbitrate((a, []))
    assert (numbers(frames), losses(frames)) == ([1, 2], [])
    assert (totals["a_malformed"], totals["a_packets"]) == (1, 2)


def test_the_longest_packet_and_the_last_number():
    longest = mold(NOW, (1 << 64) - 2, [b"x" * 490])
    frames, totals = arbitrate((line(longest), []))
    assert (len(longest), frames[1][0], totals["expected"]) == (512, longest, (1 << 64) - 1)


def test_payloads_of_another_tag_pass_by():
    a = [(0, packet(1, 1), False, TAG), (60, packet(2, 1), False, TAG + 1)]
    frames, totals = arbitrate((a, []))
    assert (numbers(frames), totals["a_packets"]) == ([1], 1)


def random_lines(seed, count, *, loss, repeat, shuffle):
    """Packets of both lines in the order in which they come, each line cut in its own way."""
    rng = random.Random(seed)
    lines = []
    for _ in range(2):
        own, first = [], 1
        while first < count:
            begin = max(1, first - rng.randint(1, 3)) if rng.random() < 0.2 else first
            size = min(rng.choice([1, 1, 2, 3, 5]), count - begin)
            if rng.random() < 0.03:
                own.append(mold(NOW, first, []))
            own.append(packet(begin, size))
            first = max(first, begin + size)
        kept = [each for each in own if rng.random() >= loss]
        order = [(n + rng.random() * shuffle, each) for n, each in enumerate(kept)]
        order += [
            (n + 2 * rng.random() * shuffle, each)
            for n, each in enumerate(kept)
            if rng.random() < repeat
        ]
        lines.append([each for _, each in sorted(order, key=lambda entry: entry[0])])
    return lines


@pytest.mark.parametrize("seed", range(4))
def test_lines_that_lose_repeat_and_shuffle_give_what_the_model_gives(seed):
    """Arrivals so far apart that all one causes is done before the next; no window ends at one."""
    rng = random.Random(seed)
    every = 320
    window = every * rng.choice([1, 3, 8]) + 40
    slots = rng.choice([2, 3, 8])
    a, b = random_lines(seed, 100, loss=0.15, repeat=0.1, shuffle=rng.choice([0, 2, 4]))
    order = [(n + rng.random() * 3, 0, each) for n, each in enumerate(a)]
    order += [(n + rng.random() * 3, 1, each) for n, each in enumerate(b)]
    lines, model = ([], []), ArbiterModel(slots, window)
    for n, (_, which, payload) in enumerate(sorted(order)):
        lines[which].append((every * (n + 1), payload, False, TAG))
        model.arrive(every * (n + 1), which, payload)
    model.wait(every * (len(order) + 1) + window)
    frames, totals = arbitrate(lines, slots=slots, window=window, seed=seed)
    assert told(frames) == model.out
    assert (totals["expected"], totals["lost"]) == (model.expected, model.lost)
    assert (totals["line_gaps"], totals["line_sessions"]) == (model.gaps, model.sessions)
    for prefix, counts in zip(("a_", "b_"), model.counts, strict=True):
        assert {name: totals[prefix + name] for name in counts} == counts
    assert model.gaps > 0 or slots == 8


def check_union(frames, lines):
    """Each message once and as it was sent, in order; what is missing was declared, exactly."""
    out = told(frames)
    assert out[0].what == "session"
    expected = out[0].first
    for each in out[1:]:
        assert each.what != "session"
        assert each.first == expected, "in order, without a hole"
        expected += each.count
        if each.what == "message":
            assert each.message == text(each.first)
    sent = [split(payload) for line in lines for _, payload, error, _ in line if not error]
    heard = {p.first + n for p in sent for n in range(len(p.messages))}
    lost = {
        n for each in out if each.what == "lost" for n in range(each.first, each.first + each.count)
    }
    assert expected == max(p.first + len(p.messages) for p in sent)
    return lost, {n for n in range(out[0].first, expected) if n not in heard}


@pytest.mark.parametrize("seed", range(3))
def test_at_line_rate_the_union_leaves_and_only_what_neither_line_has_is_lost(seed):
    """The same packets on both lines, as fast as the wire has them; each loses its own."""
    rng = random.Random(seed)
    packets, first, cycle = [], 1, 0
    while first < 700:
        size = rng.choice([1, 1, 2, 3, 5])
        begin = max(1, first - rng.choice([0] * 9 + [2]))
        packets.append((cycle, packet(begin, size)))
        first = max(first, begin + size)
        # 42 bytes of headers, 4 of check sequence, 20 between two frames
        cycle += (len(packets[-1][1]) + 66) // 8 + 1
    lines = []
    for lag in (0, rng.choice([0, 30, 90])):
        come = [(at + lag + rng.choice([0] * 9 + [40]), p) for at, p in packets]
        come += [(at + lag + 25, p) for at, p in packets if rng.random() < 0.05]
        kept = sorted(each for each in come if rng.random() > 0.05) + [
            (cycle + 500, packets[-1][1])
        ]
        lines.append([(at, payload, False, TAG) for at, payload in kept])
    frames, totals = arbitrate(lines, window=230, slots=16, seed=seed)
    lost, missing = check_union(frames, lines)
    assert lost == missing
    assert totals["lost"] == len(lost)


@pytest.mark.parametrize("seed", range(3))
def test_when_everything_goes_wrong_each_message_leaves_once_or_is_declared(seed):
    """Few slots, a short window, a slow sink, heavy loss and shuffles, damaged packets."""
    rng = random.Random(seed)
    lines = []
    for own in random_lines(seed, 300, loss=0.3, repeat=0.3, shuffle=8):
        cycle, entries = 0, []
        for payload in own:
            entries.append((cycle, payload, rng.random() < 0.05, TAG))
            cycle += rng.randint(3, 30)
        entries.append((cycle + 4000, packet(300, 1), False, TAG))
        lines.append(entries)
    frames, totals = arbitrate(
        lines,
        window=(0, 40, 300)[seed],
        slots=(1, 2, 4)[seed],
        seed=seed,
        held_up=0.6,
        stall=0.2,
        end=14000,
    )
    lost, missing = check_union(frames, lines)
    assert missing <= lost
    assert totals["lost"] == len(lost) > 0


def test_the_latency_is_constant():
    """From the last beat of an expected packet to the first beat that leaves."""
    seen = set()
    for length in (1, 2, 30, 200):
        dut, cycles = Arbiter(4, 512), {}

        async def source(ctx, dut=dut, length=length):
            ctx.set(dut.tag, TAG)
            for payload in (packet(1, 1), mold(NOW, 2, [b"z" * length])):
                for word, count, last, _ in beats(payload):
                    ctx.set(dut.a.valid, 1)
                    ctx.set(dut.a.p, {"data": word, "count": count, "last": last, "tag": TAG})
                    await ctx.tick()
                ctx.set(dut.a.valid, 0)
                for _ in range(100):
                    await ctx.tick()

        async def watch(ctx, dut=dut, cycles=cycles):
            ctx.set(dut.o.ready, 1)
            for cycle in range(250):
                if ctx.get(dut.a.valid) and ctx.get(dut.a.p.last):
                    cycles["in"], cycles["out"] = cycle, None
                if ctx.get(dut.o.valid) and cycles["out"] is None:
                    cycles["out"] = cycle
                await ctx.tick()

        run(dut, source, watch)
        seen.add(cycles["out"] - cycles["in"])
    assert seen == {9}
