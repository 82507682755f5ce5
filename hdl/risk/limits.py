# SPDX-License-Identifier: Apache-2.0
"""Limits by symbol: written to a shadow, committed at once, numbered and summed."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import FEW, SweptMemory
from hdl.regs.copier import LIMIT_RUN, copied_layout
from hdl.risk.registers import LIMITS
from hdl.spread import WordRows

__all__ = ["Limits", "checksum", "commit_members", "in_force_layout", "limit_layout"]


def limit_layout() -> data.StructLayout:
    """Limits of one symbol; all zero refuses everything."""
    return data.StructLayout({name: bits for name, bits, _ in LIMITS})


def in_force_layout() -> data.StructLayout:
    """Committed limits, their checksum, and the number of their commit."""
    return data.StructLayout({"limits": limit_layout(), "checksum": 16, "version": 16})


def _words_layout() -> data.StructLayout:
    """The same bits, without a struct in a struct."""
    fields = {name: bits for name, bits, _ in LIMITS}
    return data.StructLayout({**fields, "checksum": 16, "version": 16})


def checksum(limits: data.View) -> Value:
    """Fields in 16-bit words, low word first; the n-th is rotated left by n; exclusive or."""
    words = []
    for name, bits, _ in LIMITS:
        words += [limits[name][at : at + 16] for at in range(0, bits, 16)]
    total: Value = Const(0, 16)
    for at, word in enumerate(words):
        total = total ^ (word | Const(0, 16))[:16].rotate_left(at % 16)
    return total


def commit_members(config: BuildConfig) -> dict[str, wiring.Member]:
    """How limits are committed: from registers, or word by word."""
    if config.spaced:
        return {"copied": In(copied_layout())}
    return {"shadow": In(limit_layout()), "commit": In(1), "commit_symbol": In(32)}


class Limits(wiring.Component):
    """Active limits of each symbol.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    shadow : In(limit_layout)
        Shadow registers. Not in a spaced build.
    commit : In(1), commit_symbol : In(32)
        Make the shadow the limits of a symbol. A symbol this build does not have is ignored. Not in
        a spaced build.
    copied : In(copied_layout)
        Words of shadows that are committed, those of limits as run `LIMIT_RUN`. In a spaced build.
    symbol : In(8)
        Symbol whose limits are wanted.
    limits : Out(in_force_layout)
        Its limits, one cycle later; in a spaced build `READ_CLOCKS` later, and none are committed
        while a record is under way.
    version : Out(32)
        Commits since reset.
    select : In(8), in_force : Out(32)
        Symbol the host asks about; checksum and number of its commit, one cycle later, 0 for a
        symbol this build does not have.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            commit_members(config)
            | {
                "symbol": In(8),
                "limits": Out(in_force_layout()),
                "version": Out(32),
                "select": In(8),
                "in_force": Out(32),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        symbols = self.config.symbols
        style = "distributed" if symbols <= FEW else "block"
        m.submodules.told = told = SweptMemory(32, symbols, style=style)
        bits = len(told.read_addr)
        commit, known, sum_of, symbol = Signal(), Signal(), Signal(16), Signal(bits)
        after = (self.version + 1)[:32]
        if self.config.spaced:
            words = WordRows(_words_layout(), symbols)
            self._take(m, words, sum_of, after)
            rows: WordRows | SweptMemory = words
            m.d.comb += [commit.eq(self.copied.done[LIMIT_RUN]), symbol.eq(self.copied.symbol)]
        else:
            rows = SweptMemory(in_force_layout(), symbols, style=style)
            m.d.comb += [
                commit.eq(self.commit & rows.done & (self.commit_symbol < symbols)),
                symbol.eq(self.commit_symbol),
                sum_of.eq(checksum(self.shadow)),
                rows.write_data.limits.eq(self.shadow),
                rows.write_data.checksum.eq(sum_of),
                rows.write_data.version.eq(after[:16]),
                rows.write_en.eq(commit),
                rows.write_addr.eq(symbol),
            ]
        m.submodules.rows = rows
        m.d.comb += [
            rows.read_addr.eq(self.symbol[:bits]),
            self.limits.eq(rows.read_data),
            told.read_addr.eq(self.select[:bits]),
            told.write_data.eq(Cat(sum_of, after[:16])),
            told.write_en.eq(commit),
            told.write_addr.eq(symbol),
            self.in_force.eq(told.read_data & known.replicate(32)),
            self.init_done.eq(rows.done & told.done),
        ]
        m.d.sync += known.eq(self.select < symbols)
        with m.If(commit):
            m.d.sync += self.version.eq(after)
        return m

    def _take(self, m: Module, rows: WordRows, sum_of: Signal, after: Value) -> None:
        """Write words as they come, and behind them what is made of them."""
        copied = self.copied
        halves = [
            -(-min(size - at, 32) // 16) for _, size, _ in LIMITS for at in range(0, size, 32)
        ]
        two = Const(sum((each == 2) << at for at, each in enumerate(halves)), len(halves))
        index, turn = copied.index, Signal(4)  # of the word, and of its first 16 bits
        total, base = Signal(16), Signal(4)
        low, high = copied.word[:16], copied.word[16:]
        begun = Mux(index == 0, 0, sum_of)
        m.d.comb += [
            base.eq(Mux(index == 0, 0, turn)),
            total.eq(begun ^ _rotated(low, base) ^ _rotated(high, (base + 1)[:4])),
            rows.write_en.eq(copied.write[LIMIT_RUN]),
            rows.write_addr.eq(copied.symbol),
            rows.write_index.eq(index),
            rows.write_data.eq(copied.word),
        ]
        with m.If(index == len(halves)):
            m.d.comb += rows.write_data.eq(sum_of)
        with m.Elif(index == len(halves) + 1):
            m.d.comb += rows.write_data.eq(after[:16])
        with m.Elif(copied.write[LIMIT_RUN]):
            m.d.sync += [sum_of.eq(total), turn.eq(base + 1 + (two >> index)[0])]


def _rotated(word: Value, by: Value) -> Value:
    """A word of 16 bits, rotated left by 0 to 15."""
    return (Cat(word, word) << by)[16:32]
