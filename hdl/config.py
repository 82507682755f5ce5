# SPDX-License-Identifier: Apache-2.0
"""Build parameters of the fabric."""

from dataclasses import dataclass

__all__ = ["MODEL_DEPTH", "VIEW_LEVELS", "BuildConfig"]

#: Levels of a side that leave the book, the most a decision may rest on.
VIEW_LEVELS = 10
#: Least width of a quantity beside the ITCH feed: two orders of 32 bits fit into a level.
ITCH_QTY_BITS = 33
#: Nodes from root to leaf of a tree of the model.
MODEL_DEPTH = 5


@dataclass(frozen=True)
class BuildConfig:
    """Sizes fixed at elaboration.

    Parameters
    ----------
    symbols : int
        Books the fabric keeps, 1 to 256.
    levels : int
        Levels kept on each side of a book, 3 to 64.
    qty_bits : int
        Width of a quantity in lots, 2 to 64.
    price_bits : int
        Width of a price in ticks, 3 to 32; narrower ones are for proofs.
    result_depth : int
        Entries of the output queues; must leave room for everything in flight. Queues of 16, for a
        spaced build, are kept in distributed memory.
    sbe : bool
        With the decoder of SBE frames.
    itch : bool
        With the feed of ITCH packets; it needs `qty_bits` of 33 or more.
    itch_large : bool
        That feed with the tables of a large part (`hdl.feed.itch.config.LARGE`).
    own_orders : int
        Own orders that may be open at once, a power of two from 2 to 128.
    trees : int
        Trees of the model, at most 256; 0 for a build without one.
    phases : int
        Trees an engine of the model walks for each event, 1 or 2; a divisor of `trees`. More would
        leave events without a score, since an event may be two records.
    spaced : bool
        For a small part behind a slow link: records are so far apart that no more than one is under
        way (`hdl.link.admission`), so no row is forwarded from one to the next, and all rows are
        kept in block RAM. What comes out is the same.
    vectors : bool
        Feature vectors leave the fabric. Without them the strategy keeps the state it judges by.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    symbols: int = 16
    levels: int = 32
    qty_bits: int = 48
    price_bits: int = 32
    result_depth: int = 64
    sbe: bool = False
    itch: bool = False
    itch_large: bool = False
    own_orders: int = 64
    trees: int = 0
    phases: int = 1
    spaced: bool = False
    vectors: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("symbols", 1, 256),
            ("levels", 3, 64),
            ("qty_bits", 2, 64),
            ("price_bits", 3, 32),
            ("result_depth", 16 if self.spaced else 32, 1024),
            ("own_orders", 2, 128),
            ("trees", 0, 256),
            ("phases", 1, 2),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, was {value}")
        for name in ("sbe", "itch", "itch_large", "spaced", "vectors"):
            if getattr(self, name) not in (0, 1):
                raise ValueError(f"{name}: expected 0 or 1, was {getattr(self, name)}")
        if self.itch and self.qty_bits < ITCH_QTY_BITS:
            raise ValueError(
                f"qty_bits: expected {ITCH_QTY_BITS} to 64 with ITCH, was {self.qty_bits}"
            )
        if self.itch_large and not self.itch:
            raise ValueError("itch_large: expected a build with ITCH, was one without")
        if self.own_orders & (self.own_orders - 1):
            raise ValueError(f"own_orders: expected a power of two, was {self.own_orders}")
        if self.trees % self.phases:
            raise ValueError(f"phases: expected a divisor of {self.trees}, was {self.phases}")

        if self.trees and not self.vectors:
            raise ValueError("vectors: expected a build with them for a model, was one without")

    @property
    def slot_bits(self) -> int:
        """Width of the slot of an own order."""
        return (self.own_orders - 1).bit_length()

    @property
    def notional_bits(self) -> int:
        """Width of price times quantity, and of lot value times quantity."""
        return self.qty_bits + 32

    @property
    def held_bits(self) -> int:
        """Signed width of the value of all positions, each of Q + 8 bits, account units."""
        return self.notional_bits + 9 + (self.symbols - 1).bit_length()

    @property
    def exposure_bits(self) -> int:
        """Signed width of a worst-case position, lots."""
        return max(64, self.qty_bits + 2)

    @property
    def rows(self) -> int:
        """Sides of books, the rows of the book's memories."""
        return 2 * self.symbols

    @property
    def row_bits(self) -> int:
        """Width of a row's address: side, then symbol."""
        return (self.rows - 1).bit_length()

    @property
    def view_levels(self) -> int:
        """Levels of a side that leave the book."""
        return min(VIEW_LEVELS, self.levels)

    @property
    def sum_bits(self) -> int:
        """Width of the sum of the quantities that leave the book."""
        return self.qty_bits + self.view_levels.bit_length()

    @property
    def weighted_bits(self) -> int:
        """Width of the sum of the visible quantities, each half as heavy as the one before."""
        return self.qty_bits + self.view_levels

    @property
    def bucket_bits(self) -> int:
        """Width of price x lots of all trades in a bucket, bought and sold."""
        return self.price_bits + self.qty_bits + 1

    @property
    def model_cycles(self) -> int:
        """Cycles from features to score: a level each, two for the sum, one for a second phase."""
        return MODEL_DEPTH + 1 + self.phases if self.trees else 0

    @property
    def score_wait(self) -> int:
        """Cycles for which what is found of a view waits for its score.

        Features stand a cycle after all else is found, and the model takes its own. In a spaced
        build, with or without one, the choice takes two cycles more, and what was found has its
        own: the part it is for is slow.
        """
        return self.model_cycles + 1 + 2 * self.spaced if self.model_cycles or self.spaced else 0
