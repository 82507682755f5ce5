# SPDX-License-Identifier: Apache-2.0
"""Which tokens under way touch the same row, and how their keys compare."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig

__all__ = ["DEPTH", "Hazards"]

#: Stages of the ladder a token may have to look ahead to.
DEPTH = 6


class Hazards(wiring.Component):
    """Compare each token with those ahead of it, one clock before the answer is needed.

    Bit n of an output is about the token in stage n of the ladder. All outputs are registers, so
    that the row's update loop has only a choice to make.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    valid, addr, key : In
        The token in stage 0: is there one, its row, its key.
    same1, same2, same3 : Out(7)
        The token in stage n is on the row of the one in stage 1, 2, 3.
    better2, equal2 : Out(7)
        The key of the token in stage n is better than, or equal to, that of the one in stage 2.
    """

    def __init__(self, config: BuildConfig) -> None:
        bits = {"valid": 1, "addr": (config.rows - 1).bit_length(), "key": config.price_bits}
        marks = ("same1", "same2", "same3", "better2", "equal2")
        super().__init__(
            {name: In(width) for name, width in bits.items()}
            | {name: Out(DEPTH + 1) for name in marks}
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        valid, addr, key = [self.valid], [self.addr], [self.key]
        for stage in range(1, DEPTH):
            for chain, name in ((valid, "valid"), (addr, "addr"), (key, "key")):
                chain.append(Signal.like(chain[0], name=f"{name}{stage}"))
                m.d.sync += chain[stage].eq(chain[stage - 1])
        for stage in range(2, DEPTH + 1):
            m.d.sync += self.same1[stage].eq(valid[stage - 1] & (addr[stage - 1] == addr[0]))
        for stage in range(3, DEPTH + 1):
            m.d.sync += [
                self.same2[stage].eq(self.same1[stage - 1]),
                self.better2[stage].eq(key[stage - 1] < key[1]),
                self.equal2[stage].eq(key[stage - 1] == key[1]),
            ]
        for stage in range(4, DEPTH + 1):
            m.d.sync += self.same3[stage].eq(self.same2[stage - 1])
        return m
