# SPDX-License-Identifier: Apache-2.0
"""Frames as beats and payloads from beats, for the tests of the network's blocks."""

from hdl.net.beat import BEAT_BYTES


def beats(frame, error=False):
    """Beats of a frame: word, count, last, error."""
    for at in range(0, len(frame), BEAT_BYTES):
        part = frame[at : at + BEAT_BYTES]
        last = at + BEAT_BYTES >= len(frame)
        yield int.from_bytes(part, "little"), len(part), int(last), int(last and error)


async def send(ctx, port, frames, rng=None, stall=0.0, gap=0.0):
    """Frames (bytes, damaged) into a stream that is never held up.

    `stall` is the share of idle clocks within a frame, `gap` between two; 0 is line rate.
    """
    for frame, damaged in frames:
        for word, count, last, error in beats(frame, damaged):
            while rng is not None and rng.random() < stall:
                ctx.set(port.valid, 0)
                ctx.set(port.p.data, rng.getrandbits(64))
                ctx.set(port.p.last, rng.getrandbits(1))
                await ctx.tick()
            ctx.set(port.valid, 1)
            ctx.set(port.p.data, word)
            ctx.set(port.p.count, count)
            ctx.set(port.p.last, last)
            ctx.set(port.p.error, error)
            await ctx.tick()
        while rng is not None and rng.random() < gap:
            ctx.set(port.valid, 0)
            await ctx.tick()
    ctx.set(port.valid, 0)


class Collector:
    """Payloads from beats, with what must hold of every beat."""

    def __init__(self):
        self.frames = []
        self.begun = b""
        self.tag = None

    def beat(self, ctx, p):
        count, last, error = ctx.get(p.count), ctx.get(p.last), ctx.get(p.error)
        tag = ctx.get(p.tag)
        assert 1 <= count <= 8, count
        assert last or count == 8, "a beat in mid-payload is full"
        assert last or not error, "error comes with last"
        assert self.tag in (None, tag), "the tag is the same in all beats"
        self.begun += ctx.get(p.data).to_bytes(8, "little")[:count]
        self.tag = tag
        if last:
            self.frames.append((self.begun, tag, bool(error)))
            self.begun, self.tag = b"", None
