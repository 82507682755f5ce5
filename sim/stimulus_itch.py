# SPDX-License-Identifier: Apache-2.0
"""Order flow in ITCH 5.0 messages, and MoldUDP64 packets of them; the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["FlowSettings", "Packets", "order_flow", "packet"]

_SKIPPED = {"Y": 20, "L": 26, "V": 35, "h": 21, "Q": 40, "I": 50, "N": 20}


def packet(
    sequence: int, messages: Sequence[bytes], *, session: bytes = b"TICKGATE01", count: int = -1
) -> bytes:
    """One MoldUDP64 packet; `count` -1 is the number of messages."""
    if count < 0:
        count = len(messages)
    body = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
    return session + sequence.to_bytes(8, "big") + count.to_bytes(2, "big") + body


class Packets:
    """Messages in packets of random size, numbered from `sequence` on.

    Parameters
    ----------
    messages : iterable of bytes
        What goes into them.
    most : int
        Messages of the largest packet.
    most_bytes : int
        Bytes of the largest packet.
    seed : int
        Start of the random sequence.
    sequence : int
        Number of the first message.
    """

    def __init__(
        self,
        messages: Iterable[bytes],
        *,
        most: int = 8,
        most_bytes: int = 1400,
        seed: int = 0,
        sequence: int = 1,
    ) -> None:
        self._messages, self._most, self._most_bytes = messages, most, most_bytes
        self._random, self._sequence = random.Random(seed), sequence

    def __iter__(self) -> Iterator[bytes]:
        held: list[bytes] = []
        size, room = 0, self._random.randint(1, self._most)
        for message in self._messages:
            if held and (len(held) == room or size + len(message) + 22 > self._most_bytes):
                yield packet(self._sequence, held)
                self._sequence += len(held)
                held, size, room = [], 0, self._random.randint(1, self._most)
            held.append(message)
            size += len(message) + 2
        if held:
            yield packet(self._sequence, held)


@dataclass(frozen=True)
class FlowSettings:
    """What the flow is made of.

    Parameters
    ----------
    messages : int
        How many, after the directory.
    locates : sequence of int
        Stock locates that trade.
    seed : int
        Start of the random sequence.
    live : int
        Orders that rest at a time, about.
    spread : int
        Prices a side, in cents from the middle.
    unknown_per_mille, other_per_mille : int
        Share of messages about references that never lived, and of types that are not needed.
    reuse_per_mille : int
        Share of orders that take a reference that is live.
    excess_per_mille, zero_per_mille : int
        Share of executions of more shares than there are, and of orders with a zero field.
    walk : bool
        The middle moves.
    states : bool
        Trading halts and goes on.
    """

    messages: int
    locates: Sequence[int] = (1, 2, 3)
    seed: int = 0
    live: int = 200
    spread: int = 12
    unknown_per_mille: int = 0
    other_per_mille: int = 50
    reuse_per_mille: int = 0
    excess_per_mille: int = 0
    zero_per_mille: int = 0
    walk: bool = True
    states: bool = False


class _Flow:
    def __init__(self, settings: FlowSettings) -> None:
        self.settings = settings
        self.random = random.Random(settings.seed)
        self.ns = 34_200_000_000_000
        self.live: list[tuple[int, int, int, int, int]] = []  # ref, locate, sell, price, shares
        self.ref = 0
        self.match = 0
        self.middle = {locate: 1_000_000 + 100 * 37 * locate for locate in settings.locates}

    def head(self, kind: str, locate: int) -> bytes:
        self.ns += self.random.randint(1, 60_000)
        return (
            kind.encode()
            + locate.to_bytes(2, "big")
            + self.random.randrange(1 << 16).to_bytes(2, "big")
            + self.ns.to_bytes(6, "big")
        )

    def price(self, locate: int, sell: int) -> int:
        settings, random_ = self.settings, self.random
        if settings.walk and random_.random() < 0.02:
            self.middle[locate] += random_.choice((-100, 100))
        away = 100 * random_.randint(1, settings.spread)
        return self.middle[locate] + (away if sell else -away)

    def new_ref(self) -> int:
        if self.live and self.random.randrange(1000) < self.settings.reuse_per_mille:
            return self.random.choice(self.live)[0]
        self.ref += self.random.randint(1, 40)
        return self.ref

    def shares(self) -> int:
        if self.random.randrange(1000) < self.settings.zero_per_mille:
            return 0
        return self.random.choice((1, 100, 200, 500, self.random.randint(1, 5000)))

    def add(self) -> bytes:
        random_ = self.random
        locate, sell = random_.choice(self.settings.locates), random_.randrange(2)
        ref, shares, price = self.new_ref(), self.shares(), self.price(locate, sell)
        kind = "AF"[random_.random() < 0.1]
        self.live.append((ref, locate, sell, price, shares))
        return (
            self.head(kind, locate)
            + ref.to_bytes(8, "big")
            + (b"S" if sell else b"B")
            + shares.to_bytes(4, "big")
            + f"SYM{locate:<5}".encode()
            + price.to_bytes(4, "big")
            + (b"MPID" if kind == "F" else b"")
        )

    def change(self) -> bytes:
        settings, random_ = self.settings, self.random
        at = random_.randrange(len(self.live))
        ref, locate, sell, price, shares = self.live[at]
        if random_.randrange(1000) < settings.unknown_per_mille:
            ref, at = (1 << 60) + random_.randrange(1 << 40), -1
        kind = random_.choices("ECXDU", (30, 5, 15, 35, 15))[0]
        head = self.head(kind, locate) + ref.to_bytes(8, "big")
        if kind == "D":
            self.drop(at)
            return head
        if kind == "U":
            self.drop(at)
            new, size, at_price = self.new_ref(), self.shares(), self.price(locate, sell)
            if random_.random() < 0.3:
                at_price = price
            if at >= 0:
                self.live.append((new, locate, sell, at_price, size))
            return head + b"".join(
                value.to_bytes(length, "big")
                for value, length in ((new, 8), (size, 4), (at_price, 4))
            )
        part = shares if random_.random() < 0.4 else random_.randint(1, max(1, shares))
        if random_.randrange(1000) < settings.excess_per_mille:
            part = shares + random_.randint(1, 1000)
        if at >= 0:
            self.live[at] = (ref, locate, sell, price, max(0, shares - part))
            if part >= shares:
                self.drop(at)
        body = head + part.to_bytes(4, "big")
        if kind == "X":
            return body
        self.match += 1
        body += self.match.to_bytes(8, "big")
        if kind == "E":
            return body
        printable = b"Y" if random_.random() < 0.7 else b"N"
        return body + printable + (price + random_.choice((-50, 0, 50))).to_bytes(4, "big")

    def drop(self, at: int) -> None:
        if at >= 0:
            self.live[at] = self.live[-1]
            self.live.pop()

    def other(self) -> bytes:
        random_ = self.random
        locate = random_.choice(self.settings.locates)
        if random_.random() < 0.5:
            self.match += 1
            return (
                self.head("P", locate)
                + bytes(8)
                + random_.choice((b"B", b"S"))
                + random_.randint(1, 900).to_bytes(4, "big")
                + f"SYM{locate:<5}".encode()
                + self.middle[locate].to_bytes(4, "big")
                + self.match.to_bytes(8, "big")
            )
        if self.settings.states and random_.random() < 0.5:
            return self.state(locate, random_.choice("HPQTTTT"))
        kind = random_.choice(list(_SKIPPED))
        head = self.head(kind, locate)
        return head + random_.randbytes(_SKIPPED[kind] - len(head))

    def state(self, locate: int, state: str) -> bytes:
        return self.head("H", locate) + f"SYM{locate:<5}".encode() + state.encode() + b"     "

    def directory(self, locate: int) -> bytes:
        return self.head("R", locate) + f"SYM{locate:<5}".encode() + bytes(20)


def order_flow(settings: FlowSettings) -> Iterator[bytes]:
    """Messages one by one: the day's start, the directory, then orders.

    Parameters
    ----------
    settings : FlowSettings
        What the flow is made of.
    """
    flow = _Flow(settings)
    yield flow.head("S", 0) + b"O"
    for locate in settings.locates:
        yield flow.directory(locate)
        yield flow.state(locate, "T")
    for _ in range(settings.messages):
        if flow.random.randrange(1000) < settings.other_per_mille:
            yield flow.other()
        elif flow.random.random() * 2 * settings.live >= len(flow.live) or not flow.live:
            yield flow.add()
        else:
            yield flow.change()
