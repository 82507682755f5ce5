# SPDX-License-Identifier: Apache-2.0
"""Build parameters of the ITCH feed."""

from dataclasses import dataclass

from amaranth.lib import data

__all__ = ["LARGE", "SMALL", "ItchConfig"]


@dataclass(frozen=True)
class ItchConfig:
    """Sizes fixed at elaboration.

    Parameters
    ----------
    symbols : int
        Books of the fabric, 1 to 256.
    qty_bits : int
        Width of a level's shares, 33 to 56.
    width : int
        Bytes of a beat: 4, 8 or 16.
    order_sets, order_ways : int
        Rows of the order table, a power of two from 2 to 65,536, and orders a row, 1 to 16.
    level_sets, level_ways : int
        The same for the table of levels.
    frame_bytes : int
        Largest frame, a power of two from 64 to 16,384.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    symbols: int = 16
    qty_bits: int = 48
    width: int = 8
    order_sets: int = 1 << 10
    order_ways: int = 4
    level_sets: int = 1 << 9
    level_ways: int = 8
    frame_bytes: int = 2048

    def __post_init__(self) -> None:
        for name, low, high in (
            ("symbols", 1, 256),
            ("qty_bits", 33, 56),
            ("order_sets", 2, 1 << 16),
            ("order_ways", 1, 16),
            ("level_sets", 2, 1 << 16),
            ("level_ways", 1, 16),
            ("frame_bytes", 64, 1 << 14),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, was {value}")
        for name in ("order_sets", "level_sets", "frame_bytes"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name}: expected a power of two, was {value}")
        if self.width not in (4, 8, 16):
            raise ValueError(f"width: expected 4, 8 or 16 bytes, was {self.width}")

    @property
    def order_bits(self) -> int:
        """Width of a row's number in the order table."""
        return (self.order_sets - 1).bit_length()

    @property
    def level_bits(self) -> int:
        """Width of a row's number in the table of levels."""
        return (self.level_sets - 1).bit_length()

    @property
    def symbol_bits(self) -> int:
        """Width of a symbol's number."""
        return max(1, (self.symbols - 1).bit_length())

    @property
    def place(self) -> data.StructLayout:
        """Where a level stands: its row, and its way, one bit each."""
        return data.StructLayout({"row": self.level_bits, "way": self.level_ways})


#: For a part with about a megabit of block RAM to spare, and for a large one.
SMALL = ItchConfig()
LARGE = ItchConfig(order_sets=1 << 13, order_ways=16, level_sets=1 << 11, level_ways=16)
