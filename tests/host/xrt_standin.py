# SPDX-License-Identifier: Apache-2.0
"""What the link uses of XRT's Python module, over the Verilated kernel and its memory."""

from enum import Enum

import numpy as np

from sim.kernel_board import MEMORY_BASE, MEMORY_BYTES

_PAGE = 4096
#: Cycles a run may take in place of a millisecond.
_CYCLES_A_MS = 200


class Runtime:
    """Stands for the module ``pyxrt``; buffers lie one after the other in the kernel's memory.

    A buffer's host side is memory of its own, and only `sync` copies, as on a card. A second one
    on the same kernel is what another process meets. The run of number `interrupted` ends, and
    `wait` is interrupted.
    """

    class xclBOSyncDirection(Enum):
        XCL_BO_SYNC_BO_TO_DEVICE = 0
        XCL_BO_SYNC_BO_FROM_DEVICE = 1

    class ert_cmd_state(Enum):
        ERT_CMD_STATE_COMPLETED = 4
        ERT_CMD_STATE_TIMEOUT = 8

    def __init__(self, board):
        self.board, self.runs, self.interrupted = board, 0, None
        self.next = _PAGE
        runtime = self

        class Device:
            def __init__(self, number):
                if number != 0:
                    raise RuntimeError(f"Could not open device with index '{number}'")

            def load_xclbin(self, path):
                if not path.endswith(".xclbin"):
                    raise RuntimeError("failed to load xclbin: No such file or directory")
                return "uuid"

        class Kernel:
            def __init__(self, _device, _uuid, name):
                if name != "tickgate_kernel":
                    raise RuntimeError(f"No such kernel '{name}'")

            def group_id(self, _argument):
                return 0

            def __call__(self, source, target, units, room):
                runtime.runs += 1
                runtime.board.begin(
                    source=source.address(), target=target.address(), units=units, room=room
                )
                return Run()

        class Run:
            def wait(self, ms):
                if runtime.board.ended(ms * _CYCLES_A_MS):
                    if runtime.runs == runtime.interrupted:
                        raise KeyboardInterrupt
                    return runtime.ert_cmd_state.ERT_CMD_STATE_COMPLETED
                return runtime.ert_cmd_state.ERT_CMD_STATE_TIMEOUT

        class Buffer:
            normal = 0

            def __init__(self, _device, size, _flags, _bank):
                self._at, self._host = runtime.next, np.full(size, 0x77, np.uint8)
                runtime.next += -(-size // _PAGE) * _PAGE
                if runtime.next > MEMORY_BYTES:
                    raise RuntimeError("bad_alloc")

            def address(self):
                return MEMORY_BASE + self._at

            def map(self):
                return memoryview(self._host)

            def sync(self, way, size, offset):
                card = runtime.board.memory[self._at + offset : self._at + offset + size]
                host = self._host[offset : offset + size]
                if way is runtime.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE:
                    card[:] = host
                else:
                    host[:] = card

        self.device, self.kernel, self.bo = Device, Kernel, Buffer
