# SPDX-License-Identifier: Apache-2.0
"""The link to an Alveo card through XRT: every batch is a run of the kernel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE
from host.links.base import OUT_BYTES, Link, LinkError, record_bytes
from host.links.batch import (
    HEADER_BYTES,
    PACKET_BYTES,
    READ,
    RECORDS,
    WRITE,
    Answer,
    Trailer,
    header,
    trailer,
)

__all__ = ["KERNEL", "XrtLink"]

#: Name of the kernel in the xclbin.
KERNEL = "tickgate_kernel"
#: Records of a run, at most.
BATCH_RECORDS = 16_384
#: Packets that one run may write; an answer that is longer goes on with the next run.
_RUN_PACKETS = 16
_PACKET_ROWS = PACKET_BYTES // OUT_BYTES
#: Runs in which an answer ends that nobody took: 255 out records for each record of a batch.
_DRAIN_RUNS = 1024


class XrtLink(Link):
    """An Alveo card that runs the kernel `KERNEL`.

    XRT gives no way to a kernel's registers, so they are read and written by batches as well, one
    run each; what is read often should be told by records.

    Whatever ends an operation before its answer is whole, an interrupt too, leaves the link wrong:
    it takes nothing more. XRT does not program a card with an xclbin that it has already, so the
    next link meets the same kernel: where that is in mid-answer, the link drops what is left of it
    and resets registers and books.

    Parameters
    ----------
    xclbin : str
        File with the kernel.
    device : int
        Number of the card.
    timeout_s : float
        Time a run may take.
    runtime : module or None
        What is used as ``pyxrt``; None: the installed one, which comes with XRT.

    Raises
    ------
    LinkError
        The file cannot be loaded, no board answers, or an answer nobody took does not end.
    ModuleNotFoundError
        XRT's Python module is not installed.
    """

    def __init__(
        self, xclbin: str = "", *, device: int = 0, timeout_s: float = 2.0, runtime: Any = None
    ) -> None:
        if not xclbin:
            raise LinkError("link xrt: expected the name of a file, such as xclbin=tickgate.xclbin")
        if runtime is None:
            runtime = import_module("pyxrt")
        self._xrt, self._timeout_ms = runtime, max(1, round(1000 * timeout_s))
        self._number = int.from_bytes(os.urandom(4), "little")
        self._packets: int | None = None
        self._faults: int | None = None
        self._wrong: str | None = None
        self._open = True
        try:
            self._device = runtime.device(device)
            uuid = self._device.load_xclbin(xclbin)
            self._kernel = runtime.kernel(self._device, uuid, KERNEL)
            self._in = self._buffer(HEADER_BYTES + BATCH_RECORDS * IN_DTYPE.itemsize, 0)
            self._out = self._buffer(_RUN_PACKETS * PACKET_BYTES, 1)
        except (OSError, RuntimeError) as error:  # what pybind11 makes of XRT's exceptions
            raise LinkError(f"link xrt: {xclbin} on card {device}: {error}") from error
        self._put = np.frombuffer(self._in.map(), np.uint8)
        self._got = np.frombuffer(self._out.map(), np.uint8).reshape(-1, OUT_BYTES)
        with self._used():
            left = self._drain()
        if left:
            self.write("control", 1)

    def _buffer(self, size: int, argument: int) -> Any:
        """A buffer in the bank the kernel's argument is connected to."""
        size = -(-size // 4096) * 4096
        bank = self._kernel.group_id(argument)
        return self._xrt.bo(self._device, size, self._xrt.bo.normal, bank)

    @contextmanager
    def _used(self) -> Iterator[None]:
        """An operation; what ends it early leaves the link wrong.

        Raises
        ------
        LinkError
            The link is closed or was wrong before, or XRT has raised an error.
        """
        if not self._open:
            raise LinkError("link xrt: expected an open one, was closed")
        if self._wrong is not None:
            raise LinkError(f"link xrt: expected one without an error before, was: {self._wrong}")
        self._wrong = "an interrupt"  # until the operation is over, whatever ends it
        try:
            yield
        except BaseException as error:
            self._wrong = str(error) or type(error).__name__
            if isinstance(error, (OSError, RuntimeError)) and not isinstance(error, LinkError):
                raise LinkError(f"link xrt: {error}") from error
            raise
        self._wrong = None

    def _run(self, units: int) -> None:
        """Run the kernel once, to the end, and fetch what it has written.

        Raises
        ------
        LinkError
            The run does not end.
        """
        run = self._kernel(self._in, self._out, units, len(self._got))
        state = run.wait(self._timeout_ms)
        if state != self._xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
            raise LinkError(
                f"link xrt: expected a run to end within {self._timeout_ms} ms, was {state}"
            )
        way = self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
        self._out.sync(way, self._got.nbytes, 0)

    def _drain(self) -> bool:
        """Take what is left of an answer that a link before this one did not; whether any was.

        Raises
        ------
        LinkError
            It does not end, or is damaged.
        """
        for _ in range(_DRAIN_RUNS):
            self._got[:] = 0  # a run without an answer writes nothing
            way = self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
            self._out.sync(way, self._got.nbytes, 0)
            self._run(0)
            if not self._got.any():
                return self._packets is not None
            at = 0
            while len(self._got) - at >= _PACKET_ROWS:
                end, at = self._end(at)
                self._packets, self._faults = end.packets + 1 & 0xFFFFFFFF, end.faults
                if end.done:
                    return True
        raise LinkError(
            f"link xrt: expected the answer before to end within {_DRAIN_RUNS} runs, did not; "
            "reset the card"
        )

    def _exchange(self, text: npt.NDArray[np.uint8], count: int) -> Answer:
        """Send a batch and take its whole answer.

        Raises
        ------
        LinkError
            A run does not end, or the answer is wrong.
        """
        answer = Answer("xrt", self._number, count, self._packets)
        self._put[: len(text)] = text
        way = self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
        self._in.sync(way, -(-len(text) // 64) * 64, 0)
        units = len(text) // HEADER_BYTES
        while not answer.done:
            self._run(units)
            units = 0  # the next run goes on with this answer
            at = 0
            while not answer.done and len(self._got) - at >= _PACKET_ROWS:
                begin = at
                _, at = self._end(begin)
                answer.add(self._got[begin:at])
        self._packets = answer.packets
        if self._faults is not None and answer.faults != self._faults:
            raise LinkError(
                f"link xrt: expected {self._faults} errors of the card's memory, "
                f"was {answer.faults}"
            )
        self._faults = answer.faults
        self._number = self._number + 1 & 0xFFFFFFFF
        return answer

    def _end(self, at: int) -> tuple[Trailer, int]:
        """Trailer of the packet that begins at a row; where the next one begins."""
        for row in np.flatnonzero(self._got[at : at + _PACKET_ROWS, 0] == 0xFF):
            end = trailer(self._got[at + row].tobytes())
            if end is not None:
                return end, at + int(row) + 1
        raise LinkError(f"link xrt: expected a trailer in {_PACKET_ROWS} rows, was none")

    def read_word(self, address: int) -> int:
        """Read the 32-bit word at a word address; a run of the kernel."""
        asked = header(READ, self._number, address=address)
        with self._used():
            return self._exchange(np.frombuffer(asked, np.uint8), 0).value

    def write_word(self, address: int, value: int) -> None:
        """Write the 32-bit word at a word address; a run of the kernel."""
        told = header(WRITE, self._number, address=address, value=value)
        with self._used():
            self._exchange(np.frombuffer(told, np.uint8), 0)

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers; see `Link.transfer`."""
        rows = record_bytes(records)
        results = []
        with self._used():
            for at in range(0, max(1, len(rows)), BATCH_RECORDS):
                part = rows[at : at + BATCH_RECORDS]
                head = np.frombuffer(header(RECORDS, self._number, count=len(part)), np.uint8)
                text = np.concatenate([head, part.ravel()])
                results.append(self._exchange(text, len(part)).rows)
        return results[0] if len(results) == 1 else np.concatenate(results)

    def close(self) -> None:
        """Let go of the card; a second call does nothing."""
        if self._open:
            self._open = False
            del self._put, self._got, self._in, self._out, self._kernel, self._device
