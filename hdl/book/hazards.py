# SPDX-License-Identifier: Apache-2.0
"""Which tokens under way touch the same row, and how their keys compare."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig

__all__ = ["STAGES", "Hazards"]

#: Last stage of the ladder whose row a token may have to take.
STAGES = 7
#: Stages of the tokens ahead with which the findings of the one in stage 3 are mended.
COMPARED = (6, 5, 4)


class Hazards(wiring.Component):
    """Compare each token with those ahead of it, one clock before the answer is needed.

    Bit n of an output is about the token in stage n of the ladder. All outputs but `same0` are
    registers, so that the row's update loop has only a choice to make.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    addr : In
        Row of the token in stage 0.
    valid, key : In
        The token in stage 1: is there one, its key.
    same0, same1, same2, same3, same4, same5 : Out(8)
        The token in stage n is on the row of the one in stage 0, 1, 2, 3, 4, 5.
    better3, equal3 : Out(8)
        The key of the token in stage n is better than, or equal to, that of the one in stage 3; for
        those in `COMPARED`.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        marks = [f"same{stage}" for stage in range(6)]
        marks += ["better3", "equal3"]
        super().__init__(
            {
                "addr": In(config.row_bits),
                "valid": In(1),
                "key": In(config.price_bits),
            }
            | {name: Out(STAGES + 1) for name in marks}
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.config.spaced:
            return m  # no token is ahead of another
        addr, valid, key = {0: self.addr}, {1: self.valid}, {1: self.key}
        for chain, name in ((addr, "addr"), (valid, "valid"), (key, "key")):
            for stage in range(max(chain) + 1, STAGES):
                chain[stage] = Signal.like(chain[stage - 1], name=f"{name}{stage}")
                m.d.sync += chain[stage].eq(chain[stage - 1])

        same = {stage: getattr(self, f"same{stage}") for stage in range(6)}
        for ahead in range(1, STAGES):
            m.d.comb += same[0][ahead].eq(valid[ahead] & (addr[ahead] == addr[0]))
        for stage in range(1, 6):
            for ahead in range(stage + 1, STAGES + 1):
                m.d.sync += same[stage][ahead].eq(same[stage - 1][ahead - 1])
        for ahead in COMPARED:
            m.d.sync += [
                self.better3[ahead].eq(key[ahead - 1] < key[2]),
                self.equal3[ahead].eq(key[ahead - 1] == key[2]),
            ]
        return m
