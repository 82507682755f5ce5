# SPDX-License-Identifier: Apache-2.0
"""What every link to a board can do, whatever carries it."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE
from host.contract.registers import CONFIG_HASH, ID, REGISTERS, VERSION, Register

__all__ = [
    "OUT_BYTES",
    "Identity",
    "Link",
    "LinkError",
    "Parts",
    "RegisterError",
    "RegisterFile",
    "record_bytes",
]

#: Bytes of an out record.
OUT_BYTES = 64


class LinkError(RuntimeError):
    """A link cannot be opened or used, or another board than expected answers on it."""


class RegisterError(ValueError):
    """A register does not exist, or cannot be used like this."""


class Parts(NamedTuple):
    """Which of the optional parts a board has, see register ``build_parts``.

    Attributes
    ----------
    vectors : bool
        It can tell the features of each event.
    spaced : bool
        It takes records one at a time.
    own_orders : int
        Own orders the risk gate has room for.
    """

    vectors: bool = True
    spaced: bool = False
    own_orders: int = 64


class Identity(NamedTuple):
    """What a board says of itself: version as three numbers, and its sizes."""

    version: tuple[int, int, int]
    symbols: int
    levels: int
    qty_bits: int


def record_bytes(records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Records as the bytes that go to the board.

    Parameters
    ----------
    records : numpy.ndarray
        Shape (n,) of `host.contract.records.IN_DTYPE`, or shape (n, 16) of uint8.

    Returns
    -------
    numpy.ndarray
        Shape (n, 16), uint8, contiguous; the same memory where that is possible.

    Raises
    ------
    ValueError
        The array has another shape or type.
    """
    if records.dtype == IN_DTYPE and records.ndim == 1:
        return np.ascontiguousarray(records).view(np.uint8).reshape(-1, IN_DTYPE.itemsize)
    if records.dtype == np.uint8 and records.ndim == 2 and records.shape[1] == IN_DTYPE.itemsize:
        return np.ascontiguousarray(records)
    raise ValueError(
        f"records: expected shape (n,) of IN_DTYPE or (n, {IN_DTYPE.itemsize}) of uint8, "
        f"was {records.shape} of {records.dtype}"
    )


class RegisterFile(ABC):
    """Registers by name, on top of 32-bit words."""

    @abstractmethod
    def read_word(self, address: int) -> int:
        """Read the 32-bit word at a word address."""

    @abstractmethod
    def write_word(self, address: int, value: int) -> None:
        """Write the 32-bit word at a word address."""

    def read(self, name: str) -> int:
        """Read a register.

        Two words are read low word first, which freezes the high one.

        Raises
        ------
        RegisterError
            There is no such register, it cannot be read, or it is an array.
        """
        register = _register(name)
        if not register.readable:
            raise RegisterError(f"register {name}: expected one to read, was write only")
        if register.length != 1:
            raise RegisterError(
                f"register {name}: expected a single one, was an array of {register.length}"
            )
        value = self.read_word(register.address)
        if register.bits > 32:
            value |= self.read_word(register.address + 1) << 32
        return value

    def read_array(self, name: str) -> npt.NDArray[np.uint64]:
        """Read all entries of an array of registers.

        Returns
        -------
        numpy.ndarray
            Shape (length,), uint64; length is 1 for a single register.

        Raises
        ------
        RegisterError
            There is no such register, or it cannot be read.
        """
        register = _register(name)
        if register.length == 1:
            return np.array([self.read(name)], dtype=np.uint64)
        first = register.address
        values = [self.read_word(first + entry) for entry in range(register.length)]
        return np.array(values, dtype=np.uint64)

    def write(self, name: str, value: int) -> None:
        """Write a register; of two words the low one first.

        Raises
        ------
        RegisterError
            There is no such register, it cannot be written, or the value does not fit.
        """
        register = _register(name)
        if not register.writable:
            raise RegisterError(f"register {name}: expected one to write, was read only")
        value = int(value)
        if not 0 <= value < 1 << register.bits:
            raise RegisterError(
                f"register {name}: expected 0 to {(1 << register.bits) - 1}, was {value}"
            )
        self.write_word(register.address, value & 0xFFFFFFFF)
        if register.bits > 32:
            self.write_word(register.address + 1, value >> 32)


class Link(RegisterFile):
    """A board on some link: records in, records out, and its registers."""

    @abstractmethod
    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers.

        Parameters
        ----------
        records : numpy.ndarray
            Shape (n,) of `host.contract.records.IN_DTYPE`, or shape (n, 16) of uint8.

        Returns
        -------
        numpy.ndarray
            Shape (m, 64), uint8: the out records in order, the caller's own copy.

        Raises
        ------
        ValueError
            The array has another shape or type.
        LinkError
            The board does not take the records.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the board; a second call does nothing."""

    def parts(self) -> Parts:
        """Optional parts of the board."""
        word = self.read("build_parts")
        spaced = bool(word & 2)
        # builds from before the register told it: small ones had 16
        return Parts(bool(word & 1), spaced, word >> 8 & 0xFF or (16 if spaced else 64))

    @property
    def lost_frames(self) -> int:
        """Grows with whatever is lost on the way; 0 where the link loses nothing without error."""
        return 0

    def identify(self) -> Identity:
        """Check that the board on this link speaks this host's contract.

        Raises
        ------
        LinkError
            It is another device, another major version, or has other record layouts or registers.
        """
        found = self.read("id")
        if found != ID:
            raise LinkError(f"register id: expected {ID:#010x}, was {found:#010x}")
        version = self.read("version")
        if version >> 24 != VERSION >> 24:
            raise LinkError(
                f"register version: expected major version {VERSION >> 24}, was {version >> 24}"
            )
        config_hash = self.read("config_hash")
        if config_hash != CONFIG_HASH:
            raise LinkError(
                f"register config_hash: expected {CONFIG_HASH:#010x}, was {config_hash:#010x}: "
                "the board has other record layouts or registers than this host"
            )
        return Identity(
            (version >> 24, version >> 16 & 0xFF, version >> 8 & 0xFF),
            self.read("build_symbols"),
            self.read("build_levels"),
            self.read("build_qty_bits"),
        )

    def __enter__(self) -> "Link":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _register(name: str) -> Register:
    try:
        return REGISTERS[name]
    except KeyError:
        raise RegisterError(
            f"register: expected a name of the register table, was {name!r}"
        ) from None
