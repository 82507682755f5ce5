# SPDX-License-Identifier: Apache-2.0
"""The link to the fabric beside a Zynq's processor: registers, and batches by DMA."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE
from host.contract.registers import REGISTERS
from host.links.base import OUT_BYTES, Link, LinkError, record_bytes
from host.links.batch import HEADER_BYTES, PACKET_BYTES, RECORDS, Answer, header, trailer

__all__ = ["BATCH_RECORDS", "VLNV", "PynqLink", "tickgate_ip"]

#: Vendor, library, name and version of the fabric in an overlay.
VLNV = "tickgate.io:tickgate:tickgate_axi:1.0"
#: Most records of a batch.
BATCH_RECORDS = 4096
_DMA = "xilinx.com:ip:axi_dma:7.1"
_SEND_BYTES = HEADER_BYTES + BATCH_RECORDS * IN_DTYPE.itemsize
#: Least and greatest value of the DMA's parameters; one that is absent is 0.
_NEEDED = {
    "c_include_sg": (0, 0),
    "c_micro_dma": (0, 0),
    "c_include_mm2s": (1, 1),
    "c_include_s2mm": (1, 1),
    "c_sg_length_width": (_SEND_BYTES.bit_length(), 26),
}

# Registers of the DMA in simple mode (PG021); those of a channel are at its offset.
_SEND, _RECEIVE = 0x00, 0x30
_CHANNELS = {_SEND: "to the board", _RECEIVE: "from the board"}  # looked at in this order
_CONTROL, _STATUS = 0x00, 0x04
_RUN, _RESET = 0x1, 0x4
_HALTED, _IDLE = 0x1, 0x2
_ERRORS = {0x10: "internal", 0x20: "slave", 0x40: "decode"}

#: Buffers of a DMA that did not stop: it may still write to them, so they are never freed.
_LEFT: list[Any] = []


@cache
def tickgate_ip() -> Any:
    """Driver of the fabric for PYNQ: a class that overlays opened after this call take for it.

    Raises
    ------
    ModuleNotFoundError
        pynq is not installed.
    """
    import pynq

    class TickgateIP(pynq.DefaultIP):  # type: ignore[misc]
        """Registers of the fabric, by word address."""

        bindto: ClassVar[list[str]] = [VLNV]

        def read_word(self, address: int) -> int:
            """Read the 32-bit word at a word address."""
            return int(self.mmio.read(4 * address))

        def write_word(self, address: int, value: int) -> None:
            """Write the 32-bit word at a word address."""
            self.mmio.write(4 * address, int(value))

    return TickgateIP


class PynqLink(Link):
    """The fabric beside the processor that this runs on, through PYNQ.

    An error in `transfer` leaves the link faulty: what the board has taken and what it has said is
    not known. `recover` begins again, with the registers and books that the board has after reset.

    The alert of a kill that no record caused is in the answer to the next transfer. The first
    transfer after the link was opened or the board was reset drops what was said until then, an
    alert too; register ``kill_causes`` tells whether the latch is set.

    Parameters
    ----------
    bitfile : str or os.PathLike or None
        The overlay, with its ``.hwh`` beside it; None with `overlay`.
    timeout_s : float
        Time in which the DMA has to bring the next packet, and board and DMA have to be reset.
    download : bool
        Configure the fabric; otherwise it is left as it is, with its registers and books.
    overlay : pynq.Overlay or None
        One that is loaded already, instead of `bitfile`.
    clock : callable
        Seconds that pass, for the deadlines.

    Raises
    ------
    LinkError
        The overlay does not load, has no fabric of ours or no DMA that fits, or these do not
        answer.
    ModuleNotFoundError
        pynq, or what it needs, is not installed.
    """

    def __init__(
        self,
        bitfile: str | os.PathLike[str] | None = None,
        *,
        timeout_s: float = 1.0,
        download: bool = True,
        overlay: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if (bitfile is None) == (overlay is None):
            raise LinkError(
                "link pynq: expected the name of a bitfile, such as bitfile=tickgate.bit, "
                "or an overlay"
            )
        import pynq
        from pynq.lib.dma import DMA

        driver = tickgate_ip()  # bound before the overlay looks for drivers
        self._timeout_s, self._clock = timeout_s, clock
        self._dma: Any = None
        if bitfile is not None:
            overlay = _open_overlay(pynq.Overlay, os.fspath(bitfile), download)
        self._name = str(overlay.bitfile_name)
        if not overlay.is_loaded():
            raise LinkError(f"link pynq: {self._name}: expected the loaded overlay, was another")
        fabric, dma = self._find(overlay, VLNV), self._find(overlay, _DMA)
        _check_dma(self._name, dma.get("parameters", {}))
        with _named(self._name):
            self._mmio = pynq.MMIO(dma["phys_addr"], dma["addr_range"], device=overlay.device)
            # whoever had it before may have left it in mid-transfer or halted by an error
            self._reset_dma()
            self._ip = driver(fabric)
            channels = DMA(dma)
            self._send = pynq.allocate((_SEND_BYTES,), np.uint8, target=overlay.device, cacheable=1)
            self._receive = tuple(
                pynq.allocate((PACKET_BYTES,), np.uint8, target=overlay.device, cacheable=1)
                for _ in range(2)
            )
        self._dma = channels
        self._number = int.from_bytes(os.urandom(4), "little")
        self._packets: int | None = None
        self._faulty = False

    def _find(self, overlay: Any, vlnv: str) -> dict[str, Any]:
        """What the overlay says of its one IP of a kind."""
        kinds = {name: str(ip.get("type")) for name, ip in overlay.ip_dict.items()}
        names = [name for name, kind in kinds.items() if kind == vlnv]
        if len(names) != 1:
            raise LinkError(
                f"link pynq: {self._name}: expected one IP {vlnv}, was {len(names)} "
                f"among {', '.join(sorted(kinds.values())) or 'none'}"
            )
        found: dict[str, Any] = overlay.ip_dict[names[0]]
        return found

    # The DMA

    def _until(self, done: Callable[[], bool], what: str) -> None:
        """Look until `done()`."""
        deadline = self._clock() + self._timeout_s
        while True:
            late = self._clock() > deadline  # before the look: this process may have been asleep
            if done():
                return
            if late:
                raise LinkError(
                    f"link pynq: expected {what} within {self._timeout_s:g} s, was none"
                )

    def _reset_dma(self) -> None:
        """Reset both channels and let them run; drops what they hold."""
        self._mmio.write(_SEND + _CONTROL, _RESET)
        self._until(
            lambda: not self._mmio.read(_SEND + _CONTROL) & _RESET, "an end of the DMA's reset"
        )
        for channel, way in _CHANNELS.items():
            self._mmio.write(channel + _CONTROL, _RUN)
            self._until(partial(self._runs, channel), f"a running DMA {way}")

    def _runs(self, channel: int) -> bool:
        return not self._mmio.read(channel + _STATUS) & _HALTED

    def _received(self) -> bool:
        """Whether the packet that was asked for has come."""
        for channel, way in _CHANNELS.items():
            status = self._mmio.read(channel + _STATUS)
            errors = [name for bit, name in _ERRORS.items() if status & bit]
            if errors:
                raise LinkError(
                    f"link pynq: expected a DMA without error, was one {way}: {', '.join(errors)}"
                )
        return bool(status & _IDLE)

    def _discard(self) -> None:
        """Take what was said before this link or before a reset, by an empty batch behind it.

        An alert leaves the board unasked, and the DMA takes the first beats of it. A reset of the
        DMA drops these, one of the fabric the rest, so parts of records are in front of the answer.
        """
        self._batch(np.empty((0, IN_DTYPE.itemsize), np.uint8), keep=False)

    def _batch(self, rows: npt.NDArray[np.uint8], *, keep: bool = True) -> npt.NDArray[np.uint8]:
        """Send a batch, shape (n, 16), and take its answer, shape (m, 64); without `keep` none."""
        self._number = (self._number + 1) & 0xFFFFFFFF
        answer = Answer("pynq", self._number, len(rows), self._packets)
        text = self._send[: HEADER_BYTES + rows.nbytes]
        text[:HEADER_BYTES] = np.frombuffer(
            header(RECORDS, self._number, count=len(rows)), np.uint8
        )
        text[HEADER_BYTES:] = rows.reshape(-1)
        send, receive = self._dma.sendchannel, self._dma.recvchannel
        turn = 0
        receive.transfer(self._receive[turn])
        send.transfer(text)
        while not answer.done:
            self._until(self._received, f"a packet of the answer to {len(rows)} records")
            receive.wait()  # at once; invalidates the cache
            size = receive.transferred
            torn = size % OUT_BYTES
            if torn and keep:
                raise LinkError(
                    f"link pynq: expected a packet of whole out records, was {size} bytes"
                )
            packet = np.asarray(self._receive[turn][torn:size]).reshape(-1, OUT_BYTES)
            end = trailer(packet[-1].tobytes()) if len(packet) else None
            if end is not None and not end.done:
                turn ^= 1
                receive.transfer(self._receive[turn])  # comes while this one is read
            answer.add(packet, keep=keep)
        self._packets = answer.packets
        return answer.rows

    # What every link can do

    def _check_open(self) -> None:
        if self._dma is None:
            raise LinkError("link pynq: expected an open one, was closed")

    def read_word(self, address: int) -> int:
        """Read the 32-bit word at a word address."""
        self._check_open()
        with _named(f"word {address}"):
            return int(self._ip.read_word(address))

    def write_word(self, address: int, value: int) -> None:
        """Write the 32-bit word at a word address."""
        self._check_open()
        with _named(f"word {address}"):
            self._ip.write_word(address, value)
        if address == REGISTERS["control"].address and value & 1:
            self._packets = None  # the board counts anew

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers; see `Link.transfer`.

        Raises
        ------
        ValueError
            The array has another shape or type.
        LinkError
            The DMA failed or was late, the board did not take the records, or the link is faulty;
            then `recover` is needed.
        """
        rows = record_bytes(records)
        self._check_open()
        if self._faulty:
            raise LinkError("link pynq: expected recover() after an error, was a transfer")
        self._faulty = True  # until all of it is done, whatever ends it
        with _named("transfer"):
            if self._packets is None:
                self._discard()
            answers = [
                self._batch(rows[at : at + BATCH_RECORDS])
                for at in range(0, len(rows) or 1, BATCH_RECORDS)
            ]
        self._faulty = False
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    def recover(self) -> None:
        """Reset DMA and fabric; registers have their reset values and every book is invalid.

        Raises
        ------
        LinkError
            DMA or fabric do not come out of reset, or the link is closed.
        """
        self._check_open()
        self._faulty = True
        with _named("recover"):
            self._reset_dma()
            self.write("control", 1)
            self._until(lambda: bool(self.read("status") & 1), "swept memories after a reset")
            self._reset_dma()  # it may hold beats that came before the fabric's reset
            self._dma.sendchannel.start()
            self._dma.recvchannel.start()
        self._faulty = False

    def close(self) -> None:
        """Stop the DMA and free the buffers; a second call does nothing."""
        if self._dma is None:
            return
        self._dma = None
        buffers = [self._send, *self._receive]
        try:
            with _named("close"):
                self._reset_dma()
        except LinkError:
            _LEFT.extend(buffers)
            return
        for buffer in buffers:
            buffer.freebuffer()


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Errors of PYNQ and of the system become errors of the link."""
    try:
        yield
    except LinkError:
        raise
    except (OSError, RuntimeError) as error:
        raise LinkError(f"link pynq: {what}: {error}") from error


def _open_overlay(kind: Any, bitfile: str, download: bool) -> Any:
    try:
        return kind(bitfile, download=download)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # a file that is none of PYNQ's makes it raise almost anything
        raise LinkError(
            f"link pynq: {bitfile}: expected a bitfile that loads, with its .hwh beside it, "
            f"was {type(error).__name__}: {error}"
        ) from error


def _check_dma(name: str, parameters: dict[str, Any]) -> None:
    """Refuse a DMA that PYNQ would drive in another way, or whose transfers are too short."""
    for key, (least, most) in _NEEDED.items():
        value = int(parameters.get(key, 0))
        if not least <= value <= most:
            wanted = f"{least} to {most}" if most > least else str(least)
            raise LinkError(f"link pynq: {name}: AXI DMA, {key}: expected {wanted}, was {value}")
