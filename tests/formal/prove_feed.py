# SPDX-License-Identifier: Apache-2.0
"""What the proofs of the book take as given of a token is what the decoder gives.

Theorem, for any record on any clock: one clock later its token is there, and the row that was told
ahead is that of the token, or the token is of kind 0 and asks for nothing. A token's symbol has
a book, the quantity of a LEVEL fits and in a snapshot is not 0, and only a well-formed EVENT_END
is a book event.
"""

from amaranth.hdl import Assert, Cat, Cover, Module, Signal
from amaranth.hdl._ast import AnySeq

from hdl.config import BuildConfig
from hdl.feed.native import TickDecoder
from hdl.records import IN_RECORD, InKind
from tests.formal.kit import Proof, start
from tests.formal.row import no_zero_in_a_snapshot

__all__ = ["PROOFS"]

CONFIG = BuildConfig(symbols=3, levels=3, price_bits=3, qty_bits=2, result_depth=32)


def promises() -> Module:
    m = start()
    m.submodules.decoder = decoder = TickDecoder(CONFIG)
    layout = IN_RECORD.layout()
    record, came, ahead = Signal(layout), Signal(), Signal(9)
    valid = AnySeq(1)
    m.d.comb += [
        record.eq(AnySeq(layout.size)),
        decoder.i.valid.eq(valid),
        decoder.i.p.eq(record),
        decoder.cycle.eq(AnySeq(64)),
    ]
    m.d.sync += [came.eq(valid), ahead.eq(decoder.ahead)]
    token = decoder.o.p
    here, level = decoder.o.valid, token.kind == InKind.LEVEL
    told = ahead == Cat(token.side, token.symbol)
    m.d.comb += [
        Assert(here == came, "a token for each record, one clock later"),
        Assert(~here | told | (token.kind == 0), "its row was told"),
        Assert(~here | (token.symbol < CONFIG.symbols), "its symbol has a book"),
        Assert(~here | ~level | (token.value < 1 << CONFIG.qty_bits), "a quantity fits"),
        Assert(~here | no_zero_in_a_snapshot(token), "a snapshot sends no empty level"),
        Assert(
            ~here | ~token.book | ((token.kind == InKind.EVENT_END) & ~token.poison),
            "only an event is a book event",
        ),
        Cover(here & ~told, "a symbol without a book"),
        Cover(here & level & token.refill & told, "a level of a snapshot"),
        Cover(here & level & ~token.refill & (token.value == 0), "a delete"),
        Cover(here & token.book, "a book event"),
        Cover(here & token.poison & told, "a malformed record"),
    ]
    return m


PROOFS = [
    Proof(
        "feed_promises",
        "a token is what the proofs of the book take as given, its row told one clock before",
        promises,
        *("induction", 1, 6, True),
    ),
]
