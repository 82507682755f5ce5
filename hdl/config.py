# SPDX-License-Identifier: Apache-2.0
"""Build parameters of the fabric."""

from dataclasses import dataclass

__all__ = ["VIEW_LEVELS", "BuildConfig"]

#: Levels of a side that leave the book, the most a decision may rest on.
VIEW_LEVELS = 10
#: Least width of a quantity beside the ITCH feed: two orders of 32 bits fit into a level.
ITCH_QTY_BITS = 33


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
        Width of a quantity in lots, 2 to 56.
    price_bits : int
        Width of a price in ticks, 3 to 32; narrower ones are for proofs.
    result_depth : int
        Entries of the output queues; must leave room for everything in flight.
    sbe : bool
        With the decoder of SBE frames.
    itch : bool
        With the feed of ITCH packets; it needs `qty_bits` of 33 or more.
    itch_large : bool
        That feed with the tables of a large part (`hdl.feed.itch.config.LARGE`).

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

    def __post_init__(self) -> None:
        for name, low, high in (
            ("symbols", 1, 256),
            ("levels", 3, 64),
            ("qty_bits", 2, 56),
            ("price_bits", 3, 32),
            ("result_depth", 32, 1024),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, was {value}")
        if self.itch and self.qty_bits < ITCH_QTY_BITS:
            raise ValueError(
                f"qty_bits: expected {ITCH_QTY_BITS} to 56 with ITCH, was {self.qty_bits}"
            )
        if self.itch_large and not self.itch:
            raise ValueError("itch_large: expected a build with ITCH, was one without")

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
