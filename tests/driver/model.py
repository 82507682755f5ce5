# SPDX-License-Identifier: Apache-2.0
"""The reference model behind what a session needs of a board."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import InKind
from host.contract.registers import CONFIG_HASH
from host.links.base import Identity, LinkError
from sim.reference import Reference
from sim.reference_gate import MAX_U32


class ModelBoard:
    """A board that answers as docs/contract.md says."""

    def __init__(self, config_hash: int = CONFIG_HASH) -> None:
        self.model = Reference()
        self.sent: list[npt.NDArray[Any]] = []
        self.config_hash = config_hash
        #: why it does not answer any more
        self.lost = ""
        #: transfers that are still to be lost on their way there, or back
        self.losing = self.deaf = 0
        self.lost_frames = 0

    def identify(self) -> Identity:
        if self.config_hash != CONFIG_HASH:
            raise LinkError(
                f"register config_hash: expected {CONFIG_HASH:#010x}, was {self.config_hash:#010x}"
            )
        return Identity((0, 1, 0), self.model.symbols, self.model.levels, self.model.qty_bits)

    def read(self, name: str) -> int:
        self._there()
        if name == "status":
            return 1
        if name == "kill_causes":
            return int(self.model.gate.kill_causes)
        if name == "limit_in_force":
            symbol = self.model._register["limit_select"]
            row = self.model.gate.symbols[symbol]
            return (row.version & 0xFFFF) << 16 | row.checksum
        counters = self.model.counters
        if name in counters:
            return min(counters[name], MAX_U32)
        return self.model._register[name]

    def write(self, name: str, value: int) -> None:
        self._there()
        self.model.write(name, value)

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        self._there()
        if self.losing:
            self.losing -= 1
            self.lost_frames += 1
            clears = [
                (3, 0x10 | side, n, 0, 0, 0) for n in range(self.model.symbols) for side in (0, 1)
            ]
            return self.model.feed(np.array(clears, records.dtype))
        self.sent.append(records)
        out = self.model.feed(records)
        if self.deaf and len(out):
            self.deaf -= 1
            self.lost_frames += 1
            return out[:0]
        return out

    def close(self) -> None:
        """Nothing is held."""

    def reports(self, kind: InKind) -> int:
        """Lots reported with a kind, sales below 0."""
        rows = np.concatenate(self.sent)
        rows = rows[rows["kind"] == int(kind)]
        signs = np.where(rows["flags"] & 1, -1, 1)
        return int((signs * rows["value"].astype(np.int64)).sum())

    def _there(self) -> None:
        if self.lost:
            raise LinkError(self.lost)
