# SPDX-License-Identifier: Apache-2.0
"""A Zynq with the simulated fabric in it, as a device of PYNQ, which runs on it unmodified."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pynq import Device
from pynq.buffer import PynqBuffer
from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser
from pynq.overlay import Metadata
from pynq.ps import ZYNQ_ARCH

from hdl.config import BuildConfig
from sim.axi_board import AxiBoard
from sim.axi_dma import AxiDma
from sim.hwh import DMA_BASE, TICKGATE_BASE, WINDOW_BYTES, hwh

__all__ = ["CLOCK_HZ", "SimulatedZynq", "write_overlay"]

#: Clock of the fabric.
CLOCK_HZ = 100_000_000
_PAGE = 4096
_MEMORY_BASE = 0x10000000
#: The processor's clock registers: PLLs that give 20 times 50 MHz, all else 0.
_SLCR_BASE, _SLCR_BYTES = 0xF8000000, 0x1000
_PLLS = {0x100: 20 << 12, 0x104: 20 << 12, 0x108: 20 << 12}


def write_overlay(folder: Path, config: BuildConfig, name: str = "tickgate") -> Path:
    """Write what PYNQ opens as an overlay; the bitfile is empty.

    Parameters
    ----------
    folder : pathlib.Path
        Where the two files go.
    config : BuildConfig
        Sizes of the fabric.
    name : str
        Of the files, without suffix.

    Returns
    -------
    pathlib.Path
        The bitfile.
    """
    bitfile = folder / f"{name}.bit"
    bitfile.write_bytes(b"")
    bitfile.with_suffix(".hwh").write_text(hwh(config))
    return bitfile


class _Buffer(PynqBuffer):  # type: ignore[misc]
    """PYNQ's buffer; its attribute of this name may be set with numpy 2 as well."""

    device = None


class SimulatedZynq(Device):  # type: ignore[misc]
    """A Zynq whose fabric is a Verilated board and whose DMA is a model.

    Registers of the fabric are read and written through its pins. Each buffer is there twice, as
    the processor sees it through its cache and as the DMA sees it, so that a flush or an
    invalidation that is missing shows.

    Parameters
    ----------
    board : AxiBoard
        The fabric; the caller closes it.
    seed : int
        Of what is in new buffers.

    Attributes
    ----------
    dma : AxiDma
        Also does harm where it is told to.
    downloads : int
        Bitfiles downloaded.
    """

    def __init__(self, board: AxiBoard, *, seed: int = 1) -> None:
        super().__init__("simulated zynq")
        self.capabilities = {"REGISTER_RW": True}
        self.arch = ZYNQ_ARCH
        self.board, self.dma = board, AxiDma(board, self)
        self.downloads = 0
        self._slcr = dict(_PLLS)
        self._random = np.random.default_rng(seed)
        self._buffers: dict[int, tuple[npt.NDArray[np.uint8], bytearray]] = {}
        self._next = _MEMORY_BASE

    def activate(self) -> None:
        """Become the device that PYNQ takes where none is named."""
        Device.active_device = self

    def seconds(self) -> float:
        """Time of the board, for the link's deadlines."""
        return self.board.cycles / CLOCK_HZ

    # What PYNQ asks of a device

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """What is in the overlay."""
        file = Path(bitfile_name).with_suffix(".hwh")
        if not file.is_file():
            raise RuntimeError(f"{file}: expected the bitfile's metadata, was no file")
        return RuntimeMetadataParser(Metadata(input=str(file)))

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Begin as after configuration: fabric and DMA are reset."""
        self.board.reset()
        self.dma.reset()
        self.downloads += 1
        self.post_download(bitstream, parser)

    def read_registers(self, address: int, length: int) -> bytes:
        """Read words at a physical address."""
        words = (self._read_word(at) for at in range(address, address + length, 4))
        return b"".join(word.to_bytes(4, "little") for word in words)

    def write_registers(self, address: int, data: bytes) -> None:
        """Write words at a physical address."""
        for at in range(0, len(data), 4):
            self._write_word(address + at, int.from_bytes(data[at : at + 4], "little"))

    def _read_word(self, address: int) -> int:
        if 0 <= address - TICKGATE_BASE < WINDOW_BYTES:
            value, response = self.board.read(address - TICKGATE_BASE)
            _check(address, response)
            return value
        if 0 <= address - DMA_BASE < WINDOW_BYTES:
            return self.dma.read(address - DMA_BASE)
        if 0 <= address - _SLCR_BASE < _SLCR_BYTES:
            return self._slcr.get(address - _SLCR_BASE, 0)
        raise _bus_error(address)

    def _write_word(self, address: int, value: int) -> None:
        if 0 <= address - TICKGATE_BASE < WINDOW_BYTES:
            _check(address, self.board.write(address - TICKGATE_BASE, value))
        elif 0 <= address - DMA_BASE < WINDOW_BYTES:
            self.dma.write(address - DMA_BASE, value)
        elif 0 <= address - _SLCR_BASE < _SLCR_BYTES:
            self._slcr[address - _SLCR_BASE] = value
        else:
            raise _bus_error(address)

    def allocate(self, shape: Any, dtype: Any = "u4", cacheable: int = 0) -> Any:
        """Give a buffer at an address of its own, with rubbish in it and nothing around it."""
        dtype = np.dtype(dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        cached, memory = (self._random.integers(0, 256, size, np.uint8) for _ in range(2))
        base = self._next
        self._next += (size // _PAGE + 2) * _PAGE
        self._buffers[base] = cached, bytearray(memory)
        buffer = _Buffer(
            shape, dtype, buffer=cached, device=self, device_address=base, bo=base, coherent=False
        )
        buffer.memory, buffer.pointer, buffer.return_to = self, base, self
        buffer.freed = True  # its memory is numpy's: nothing to unmap
        return buffer

    def return_pointer(self, pointer: int) -> None:
        """Take a buffer back."""
        del self._buffers[pointer]

    def flush(self, bo: int, offset: int, _address: int, size: int) -> None:
        """Write what the processor's cache holds to memory."""
        cached, memory = self._buffers[bo]
        memory[offset : offset + size] = cached[offset : offset + size].tobytes()

    def invalidate(self, bo: int, offset: int, _address: int, size: int) -> None:
        """Forget what the processor's cache holds."""
        cached, memory = self._buffers[bo]
        cached[offset : offset + size] = np.frombuffer(memory, np.uint8, size, offset)

    # What the DMA sees

    @property
    def buffers(self) -> int:
        """Buffers that are allocated."""
        return len(self._buffers)

    def load(self, address: int, length: int) -> bytes:
        """Bytes of a buffer's memory; IndexError outside of all."""
        memory, at = self._at(address, length)
        return bytes(memory[at : at + length])

    def store(self, address: int, text: bytes) -> None:
        """Write into a buffer's memory; IndexError outside of all."""
        memory, at = self._at(address, len(text))
        memory[at : at + len(text)] = text

    def _at(self, address: int, length: int) -> tuple[bytearray, int]:
        for base, (_, memory) in self._buffers.items():
            if base <= address and address + length <= base + len(memory):
                return memory, address - base
        raise IndexError(f"address {address:#x}: expected one in a buffer, was outside")


def _check(address: int, response: int) -> None:
    if response != 0:
        raise OSError(f"address {address:#x}: expected response OKAY, was {response}")


def _bus_error(address: int) -> OSError:
    return OSError(f"address {address:#x}: expected a register, was nothing there")
