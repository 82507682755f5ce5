# SPDX-License-Identifier: Apache-2.0
"""The gate against its reference on many records: ``python -m tests.system.gate_long``.

Ends with 1 at the first difference, or when a reason was not seen both alone and among others.
"""

import argparse
import sys
import time

from hdl.config import BuildConfig
from host.contract.records import Reason
from sim.board import Board, Stalls
from sim.compare import compare
from tests.system.gate_bench import DESIGN
from tests.system.gate_stream import OWN_ORDERS, QTY_BITS, SYMBOLS, chunks, seen, verdicts_of

__all__ = ["CONFIG", "Different", "drive", "main"]

CONFIG = BuildConfig(symbols=SYMBOLS, qty_bits=QTY_BITS, own_orders=OWN_ORDERS)
CHUNK = 1000


class Different(AssertionError):
    """The hardware told something else than the reference."""


def drive(
    seed: int, count: int, records: int, stalls: Stalls | None = None
) -> tuple[set[Reason], set[Reason], int]:
    """So many chunks through the hardware: reasons seen alone and among others, and decisions."""
    alone: set[Reason] = set()
    among: set[Reason] = set()
    decisions = 0
    with Board(CONFIG, design=DESIGN, stalls=stalls, random_init=seed) as board:
        for at, (focus, writes, made, expected) in enumerate(chunks(seed, count, records)):
            for name, value in writes:
                board.write(name, value)
            comparison = compare(expected, board.transfer(made))
            if not comparison.equal:
                names = " ".join(sorted(reason.name for reason in focus))
                raise Different(f"seed {seed}, chunk {at}, {names}\n{comparison}")
            verdicts = verdicts_of(expected)
            decisions += len(verdicts)
            more_alone, more_among = seen(verdicts)
            alone |= more_alone
            among |= more_among
        if board.protocol_errors:
            raise Different(f"protocol errors: expected 0, was {board.protocol_errors}")
    return alone, among, decisions


def main(arguments: list[str] | None = None) -> int:
    """Drive seed after seed, print a line each."""
    parser = argparse.ArgumentParser(prog="tests.system.gate_long", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    alone: set[Reason] = set()
    among: set[Reason] = set()
    done = decisions = 0
    began = time.monotonic()
    seed = options.seed
    while done < options.records:
        count = min(500, -(-(options.records - done) // CHUNK))
        try:
            found = drive(seed, count, CHUNK)
        except Different as difference:
            print(difference)
            return 1
        alone |= found[0]
        among |= found[1]
        decisions += found[2]
        done += count * CHUNK
        seed += 1
        seconds = time.monotonic() - began
        print(f"{done:,} records, {decisions:,} decisions, all equal, {seconds:.0f} s", flush=True)
    missing = sorted(reason.name for reason in (set(Reason) - alone) | (set(Reason) - among))
    print(f"not seen alone and among others: {' '.join(missing) or 'none'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
