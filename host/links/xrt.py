# SPDX-License-Identifier: Apache-2.0
"""The link to an Alveo card through XRT: every batch is a run of the kernel."""

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE
from host.links.base import OUT_BYTES, Link, LinkError, record_bytes
from host.links.batch import HEADER_BYTES, PACKET_BYTES, READ, RECORDS, WRITE, Answer, header

__all__ = ["KERNEL", "XrtLink"]

#: Name of the kernel in the xclbin.
KERNEL = "tickgate_kernel"
#: Records of a run, at most.
BATCH_RECORDS = 16_384
#: Packets that one run may write; an answer that is longer goes on with the next run.
_RUN_PACKETS = 16
_PACKET_ROWS = PACKET_BYTES // OUT_BYTES


class XrtLink(Link):
    """An Alveo card that runs the kernel `KERNEL`.

    XRT gives no way to a kernel's registers, so they are read and written by batches as well, one
    run each; what is read often should be told by records.

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
        The file cannot be loaded, or no board answers.
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
        self._number = 0
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

    def _buffer(self, size: int, argument: int) -> Any:
        """A buffer in the bank the kernel's argument is connected to."""
        size = -(-size // 4096) * 4096
        bank = self._kernel.group_id(argument)
        return self._xrt.bo(self._device, size, self._xrt.bo.normal, bank)

    def _run(self, text: npt.NDArray[np.uint8], count: int) -> Answer:
        """Send a batch and take its whole answer.

        Raises
        ------
        LinkError
            The link is closed or was wrong before, the run does not end, or the answer is wrong.
        """
        if not self._open:
            raise LinkError("link xrt: expected an open one, was closed")
        if self._wrong is not None:
            raise LinkError(f"link xrt: expected one without an error before, was: {self._wrong}")
        try:
            return self._exchange(text, count)
        except (OSError, RuntimeError) as error:  # LinkError is one of these
            self._wrong = str(error)
            if isinstance(error, LinkError):
                raise
            raise LinkError(f"link xrt: {error}") from error

    def _exchange(self, text: npt.NDArray[np.uint8], count: int) -> Answer:
        way = self._xrt.xclBOSyncDirection
        answer = Answer("xrt", self._number, count, self._packets)
        self._put[: len(text)] = text
        self._in.sync(way.XCL_BO_SYNC_BO_TO_DEVICE, -(-len(text) // 64) * 64, 0)
        units = len(text) // HEADER_BYTES
        while not answer.done:
            run = self._kernel(self._in, self._out, units, len(self._got))
            state = run.wait(self._timeout_ms)
            if state != self._xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
                raise LinkError(
                    f"link xrt: expected a run to end within {self._timeout_ms} ms, was {state}"
                )
            units = 0  # the next run goes on with this answer
            self._out.sync(way.XCL_BO_SYNC_BO_FROM_DEVICE, self._got.nbytes, 0)
            at = 0
            while not answer.done and len(self._got) - at >= _PACKET_ROWS:
                answer, at = self._packet(answer, at)
        self._packets = answer.packets
        if self._faults is not None and answer.faults != self._faults:
            raise LinkError(
                f"link xrt: expected {self._faults} errors of the card's memory, "
                f"was {answer.faults}"
            )
        self._faults = answer.faults
        self._number = self._number + 1 & 0xFFFFFFFF
        return answer

    def _packet(self, answer: Answer, at: int) -> tuple[Answer, int]:
        """Take the packet that begins at a row; where the next one begins."""
        ends = np.flatnonzero(self._got[at : at + _PACKET_ROWS, 0] == 0xFF)
        if not len(ends):
            raise LinkError(f"link xrt: expected a trailer in {_PACKET_ROWS} rows, was none")
        end = at + int(ends[0]) + 1
        answer.add(self._got[at:end])
        return answer, end

    def read_word(self, address: int) -> int:
        """Read the 32-bit word at a word address; a run of the kernel."""
        asked = header(READ, self._number, address=address)
        return self._run(np.frombuffer(asked, np.uint8), 0).value

    def write_word(self, address: int, value: int) -> None:
        """Write the 32-bit word at a word address; a run of the kernel."""
        told = header(WRITE, self._number, address=address, value=value)
        self._run(np.frombuffer(told, np.uint8), 0)

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers; see `Link.transfer`."""
        rows = record_bytes(records)
        results = []
        for at in range(0, max(1, len(rows)), BATCH_RECORDS):
            part = rows[at : at + BATCH_RECORDS]
            head = np.frombuffer(header(RECORDS, self._number, count=len(part)), np.uint8)
            results.append(self._run(np.concatenate([head, part.ravel()]), len(part)).rows)
        return results[0] if len(results) == 1 else np.concatenate(results)

    def close(self) -> None:
        """Let go of the card; a second call does nothing."""
        if self._open:
            self._open = False
            del self._put, self._got, self._in, self._out, self._kernel, self._device
