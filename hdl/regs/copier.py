# SPDX-License-Identifier: Apache-2.0
"""Shadow registers kept in the bank's memory alone, and copied from there when committed."""

from collections.abc import Sequence

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.regs.register import Register

__all__ = [
    "COMMIT_CLOCKS",
    "INDEX_BITS",
    "LIMIT_RUN",
    "STRATEGY_RUN",
    "Copier",
    "copied_layout",
    "index_of",
    "words_of",
]

#: Runs by number: limits of a symbol, settings of its strategy.
LIMIT_RUN, STRATEGY_RUN = 0, 1
_RUNS = 2
INDEX_BITS = 7
#: Indices behind the last word, in which the block that takes them may write what it makes of them.
_TAIL = 2
#: Clocks within which a commit is made where nothing else comes between.
COMMIT_CLOCKS = 192


def words_of(bits: int) -> int:
    """Words of 32 bits that a register takes."""
    return -(-bits // 32)


def copied_layout() -> data.StructLayout:
    """A word on its way: for which run it is, its index and symbol; the end of a run."""
    return data.StructLayout(
        {"write": _RUNS, "done": _RUNS, "index": INDEX_BITS, "symbol": 8, "word": 32}
    )


def index_of(run: Sequence[Register], name: str) -> int:
    """Index of a register's first word."""
    at = 0
    for register in run:
        if register.name == name:
            return at
        at += words_of(register.bits)
    raise KeyError(name)


class Copier(wiring.Component):
    """Copy runs of shadow registers word by word, each while no record is under way.

    A commit waits until the record under way has gone; from the commit on no other comes (`busy`)
    until its words have been copied. So every record is judged by the rows as they were committed
    before it, as where a commit takes a clock, and nothing is read while it changes. It takes less
    than `COMMIT_CLOCKS`; until then the run's registers, and its commit, must not be written: a
    serial link takes longer for a write, the others wait. The other run may be committed at any
    time.

    Parameters
    ----------
    runs : sequence of sequence of Register
        By number; registers one behind the other in the table, committed together.
    symbols : int
        Symbols of the build; the commit of any other is ignored.

    Members
    -------
    commits : In(2), symbol : In(32)
        Commit a run, for a symbol.
    swept : In(1)
        All memories are swept. A commit before that is lost, as in every build.
    go : In(1)
        No record is under way.
    busy : Out(1)
        None may come.
    run, index : Out, word : In(32)
        A word of a run, and what it holds a clock later.
    o : Out(copied_layout)
        Words in turn. Behind the last come two more indices with a write, then the end.

    Raises
    ------
    ValueError
        A run has more words than indices.
    """

    def __init__(self, runs: Sequence[Sequence[Register]], symbols: int) -> None:
        self.sizes = [sum(words_of(register.bits) for register in run) for run in runs]
        self.symbols = symbols
        if max(self.sizes) + _TAIL >= 1 << INDEX_BITS:
            raise ValueError(
                f"run: expected under {(1 << INDEX_BITS) - _TAIL} words, was {max(self.sizes)}"
            )
        super().__init__(
            {
                "commits": In(_RUNS),
                "symbol": In(32),
                "swept": In(1),
                "go": In(1),
                "busy": Out(1),
                "run": Out(range(_RUNS)),
                "index": Out(INDEX_BITS),
                "word": In(32),
                "o": Out(copied_layout()),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        count = _RUNS
        waits, copies, last, words = Signal(count), Signal(), Signal(), Signal()
        symbols = Array(Signal(8, name=f"symbol{at}") for at in range(count))
        m.d.comb += [
            self.busy.eq(waits.any() | copies | words),
            last.eq(self.index == Array(size + _TAIL for size in self.sizes)[self.run]),
        ]
        with m.If(copies):
            m.d.sync += [self.index.eq(Mux(last, 0, self.index + 1)), copies.eq(~last)]
        with m.Elif(waits.any() & self.go):
            for at in reversed(range(count)):
                with m.If(waits[at]):
                    m.d.sync += self.run.eq(at)
            m.d.sync += [copies.eq(1), waits.eq(waits & (waits - 1)[:count])]
        # Behind the above: a commit that comes as another begins is not lost with it.
        for at in range(count):
            with m.If(self.commits[at] & self.swept & (self.symbol < self.symbols)):
                m.d.sync += [waits[at].eq(1), symbols[at].eq(self.symbol)]
        # What is copied, with its word as that comes, and a clock later for all who take it.
        one, coming = (1 << self.run)[:count], Signal(copied_layout())
        m.d.sync += [
            words.eq(copies),
            coming.write.eq(one & (copies & ~last).replicate(count)),
            coming.done.eq(one & (copies & last).replicate(count)),
            coming.index.eq(self.index),
            coming.symbol.eq(symbols[self.run]),
            self.o.eq(coming),
        ]
        m.d.comb += coming.word.eq(self.word)
        return m
