# SPDX-License-Identifier: Apache-2.0
"""The long share of the feeds' tests: ``python -m tests.system.soak [SHARE ...]``.

Ten million random and mutated bytes into each decoder (sbe, itch, native, udp), each beside its
reference, and a million ITCH messages (flow) whose books must be those of an independent library
after every message. Ends with 1 at the first difference; prints a line for each step.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from hdl.net.registers import DROPS
from tests.system import fuzz
from tests.system.itch_library import SameBooks, flow_of

__all__ = ["SHARES", "main"]

_STEP = 500_000
_FLOW_STEP = 50_000


def _fuzz(name: str, octets: int, seed: int) -> None:
    """So many bytes into one decoder, in steps of seeds that follow each other."""
    total: Counter[str] = Counter()
    done, began = 0, time.monotonic()
    while done < octets:
        size = min(_STEP, octets - done)
        total += fuzz.DECODERS[name](size, seed)
        done, seed = done + size, seed + 1
        print(f"{name}: {done:,} bytes, {_of(name, total)}, {_since(began)}", flush=True)
    wanted = {
        "sbe": [f"sbe_{end}" for end in fuzz.SBE_ENDS if end not in ("damaged", "version")],
        "itch": [f"mold_{end}" for end in fuzz.MOLD_ENDS],
        "native": [count for count in total if count.startswith("malformed_")],
        "udp": [f"drop_{drop}" for drop, _ in DROPS],
    }[name]
    missing = [count for count in wanted if not total[count]]
    assert not missing, f"expected each reason at least once, was none of {', '.join(missing)}"


def _of(name: str, total: Counter[str]) -> str:
    """What came of the bytes, in a few words."""
    if name == "sbe":
        taken = sum(total[f"sbe_{end}"] for end in ("diffs", "snapshots", "trades", "tickers"))
        return f"{total['sbe_messages']:,} messages, {taken:,} taken"
    if name == "itch":
        frames = sum(total[f"mold_{end}"] for end in fuzz.MOLD_ENDS)
        return f"{frames:,} frames, {total['itch_messages']:,} messages"
    if name == "native":
        wrong = sum(count for of, count in total.items() if of.startswith("malformed_"))
        return f"{total['records_in']:,} records, {wrong:,} malformed"
    return f"{total['frames']:,} frames, {total['packets']:,} taken"


def _since(began: float) -> str:
    return f"all equal, {time.monotonic() - began:.0f} s"


def _flow(messages: int, seed: int) -> None:
    """So many messages through the ITCH feed, and the library's book after each."""
    began = time.monotonic()
    books = SameBooks("small", {1: 0, 2: 5, 3: 15})
    for part in flow_of(messages, seed, _FLOW_STEP):
        books.take(part)
        print(
            f"flow: {books.messages:,} messages, {books.compared:,} books compared, "
            f"{_since(began)}",
            flush=True,
        )
    stats, counters = books.stats, books.counters()
    for count, expected in (
        ("itch_unknown", stats["missing_ref"]),
        ("itch_adds", stats["adds"] + stats["replaces"]),
        ("itch_messages", books.messages),
        ("itch_breaks", 0),
    ):
        assert counters[count] == expected, f"{count}: expected {expected}, was {counters[count]}"
    print(f"flow: {', '.join(f'{name} {count}' for name, count in sorted(stats.items()))}")


#: What may be asked for; each takes a size and a seed.
SHARES: dict[str, Callable[[int, int], None]] = {
    **{name: partial(_fuzz, name) for name in fuzz.DECODERS},
    "flow": _flow,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the shares, the long ones if no size is given."""
    parser = argparse.ArgumentParser(prog="tests.system.soak", description=__doc__)
    parser.add_argument("shares", nargs="*", metavar="SHARE", help=f"of {', '.join(SHARES)}")
    parser.add_argument("--bytes", type=int, default=10_000_000, help="into each decoder")
    parser.add_argument("--messages", type=int, default=1_000_000, help="of ITCH")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.shares) - set(SHARES):
        parser.error(f"expected shares of {', '.join(SHARES)}, was {' '.join(sorted(unknown))}")
    for name, share in SHARES.items():
        if not chosen.shares or name in chosen.shares:
            try:
                share(chosen.messages if name == "flow" else chosen.bytes, chosen.seed)
            except AssertionError as difference:
                print(f"{name}: {difference}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
