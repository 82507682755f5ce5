# SPDX-License-Identifier: Apache-2.0
"""Backpressure in one place: a record is taken only when all it can cause has room."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.records import IN_RECORD

__all__ = ["IN_FLIGHT", "Admission"]

#: Upper bound of the tokens between the decoder and the queues; the pipeline checks its sum.
IN_FLIGHT = 16


class Admission(wiring.Component):
    """Pass records while `room`.

    `ready` is a function of the queues alone, never of `valid`.

    Members
    -------
    i : In(stream)
        Records from the link.
    o : Out(stream, always ready)
        Admitted records.
    room : In(1)
        The queues behind can take one entry for everything in flight and one more.
    """

    def __init__(self) -> None:
        layout = IN_RECORD.layout()
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(layout, always_ready=True)),
                "room": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.i.ready.eq(self.room),
            self.o.valid.eq(self.i.valid & self.room),
            self.o.p.eq(self.i.p),
        ]
        return m
