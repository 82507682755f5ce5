# SPDX-License-Identifier: Apache-2.0
"""The whole fabric with its model against the reference: ``python -m tests.system.strategy_long``.

Every setting of signals, strategy and gate changes at random between chunks, and so does the model.
Odd chunks are book events one behind another, even ones anything that may come. Ends with 1 at the
first record or counter that differs, or when a rule, an exit or a model was not part of any
decision.
"""

import argparse
import random
import sys
import time
from collections import Counter

import numpy as np

from hdl.config import BuildConfig
from hdl.pipeline import decision_latency
from host.contract.records import (
    DECISION_DTYPE,
    DecisionFlag,
    ExitCause,
    InKind,
    OutKind,
    Rule,
)
from host.contract.registers import COUNTERS
from sim.board import Board
from sim.compare import compare, latency
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_events import random_events
from sim.stimulus_forest import random_forest
from sim.stimulus_run import random_settings
from sim.stimulus_strategy import random_strategy

__all__ = ["CONFIG", "EXITS", "RULES", "Different", "drive", "main", "seen_in"]

CONFIG = BuildConfig(trees=16)
RULES = [rule for rule in Rule if rule is not Rule.EXIT]
EXITS = list(ExitCause)


class Different(AssertionError):
    """The hardware told something else than the reference."""


def _writes(config: BuildConfig, seed: int, at: int) -> list[tuple[str, int]]:
    """What is written before a chunk."""
    sizes = {"symbols": config.symbols, "levels": config.levels, "qty_bits": config.qty_bits}
    chance = seed * 1000 + at
    writes = [
        *random_settings(chance, **sizes),
        *random_strategy(chance, config.symbols, config.qty_bits),
        ("stale_us", (1 << 32) - 1),
        ("levels_n", 1 + at % 5),
    ]
    if config.trees and at % 3 == 0:
        writes += random_forest(chance, config.trees)
    return writes


def drive(config: BuildConfig, seed: int, chunks: int, records: int = 1500) -> Counter:
    """Compare so many chunks.

    Returns
    -------
    Counter
        ``events`` that were judged, ``decisions``, ``scores`` other than 0 told with them, loads of
        models, and how often each `Rule` and `ExitCause` was part of an entry or an exit.
    """
    sizes = {"symbols": config.symbols, "levels": config.levels, "qty_bits": config.qty_bits}
    reference = Reference(*sizes.values(), trees=config.trees, vectors=config.vectors)
    rng, now_us = random.Random(seed), 0
    stream = random_stream(seed, records * chunks, **sizes)
    found: Counter = Counter()
    with Board(config, random_init=seed) as board:
        for at in range(chunks):
            for name, value in _writes(config, seed, at):
                board.write(name, value)
                reference.write(name, value)
            part = stream[at * records : (at + 1) * records]
            if at % 2:
                part = random_events(rng, records // 3, config.symbols, config.qty_bits, now_us)
            times = part["value"][np.isin(part["kind"], (InKind.EVENT_BEGIN, InKind.TIMER))]
            now_us = min(max(now_us, int(times.max(initial=0))), 1 << 60)
            actual = board.transfer(part)
            comparison = compare(reference.feed(part), actual)
            if not comparison.equal:
                raise Different(f"seed {seed}, chunk {at}: {comparison}")
            measured, cycles = latency(actual), decision_latency(config)
            if measured.decisions and not measured.minimum == measured.maximum == cycles:
                raise Different(f"latency: expected {cycles}, was {measured}")
            found += seen_in(actual)
        told = {name: board.read(name) for name in COUNTERS}
        if told != reference.counters:
            wrong = {name: told[name] for name in told if told[name] != reference.counters[name]}
            raise Different(f"counters, seed {seed}: {wrong}")
        if board.protocol_errors:
            raise Different(f"protocol errors: expected 0, was {board.protocol_errors}")
    for name in ("events", "model_loads", "model_refusals", "filtered"):
        found[name] = reference.counters[name]
    return found


def seen_in(out: np.ndarray) -> Counter:
    """What decisions were made of."""
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION])
    decisions = rows.view(DECISION_DTYPE).reshape(-1)
    is_exit = decisions["flags"] & int(DecisionFlag.REDUCE_ONLY) != 0
    fired = decisions["rule"].astype(int)
    exits, scores = (int(np.count_nonzero(some)) for some in (is_exit, decisions["score"]))
    seen = Counter(decisions=len(decisions), exits=exits, scores=scores)
    for rule in RULES:
        seen[rule.name] = int(np.count_nonzero(fired[~is_exit] & int(rule)))
    for cause in EXITS:
        seen[cause.name] = int(np.count_nonzero(fired[is_exit] & int(cause)))
    return seen


def main(arguments: list[str] | None = None) -> int:
    """Drive seed after seed, print a line each."""
    parser = argparse.ArgumentParser(prog="tests.system.strategy_long", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args(arguments)
    found: Counter = Counter()
    began, seed = time.monotonic(), options.seed
    while found["events"] < options.events:
        try:
            found += drive(CONFIG, seed, 50, 4000)
        except Different as difference:
            print(difference)
            return 1
        seed += 1
        seconds = time.monotonic() - began
        print(
            f"{found['events']:,} events, {found['decisions']:,} decisions, all equal, "
            f"{seconds:.0f} s",
            flush=True,
        )
    names = [*(rule.name for rule in RULES), *(cause.name for cause in EXITS), "model_loads"]
    print(", ".join(f"{name} {found[name]:,}" for name in (*names, "scores", "model_refusals")))
    missing = [name for name in names if not found[name]]
    print(f"not seen: {' '.join(missing) or 'none'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
