# SPDX-License-Identifier: Apache-2.0
"""What a register is. The table of all of them is `hdl.regs.table`."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Access", "Register"]


class Access(Enum):
    """What the host may do with a register."""

    RO = "read"
    RW = "read, write"
    WO = "write"


@dataclass(frozen=True)
class Register:
    """One register, or an array of `length` read-only registers of 32 bits."""

    name: str
    bits: int
    access: Access
    doc: str
    length: int = 1

    @property
    def words(self) -> int:
        """32-bit words it takes."""
        return self.length * ((self.bits + 31) // 32)
