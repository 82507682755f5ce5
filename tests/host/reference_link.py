# SPDX-License-Identifier: Apache-2.0
"""The reference model behind a link, for tests of the host that need a board and no cycles."""

from host.contract.features import FEATURES
from host.contract.registers import COUNTERS
from host.links.base import Identity, Link
from host.model.load import ModelStatus
from sim.reference import Reference
from sim.reference_forest import FEATURES_ID


class ReferenceLink(Link):
    """Every register that the reference does not keep reads 0."""

    def __init__(self, trees=0, **sizes):
        self.reference = Reference(trees=trees, **sizes)
        self.closed = False

    def read_word(self, address):
        return 0

    def write_word(self, address, value):
        raise AssertionError("unused")

    def read(self, name):
        if name in COUNTERS:
            return self.reference.counters[name]
        reference, forest = self.reference, self.reference.forest
        parts = reference.vectors | reference.own_orders << 8
        held = {"status": 1, "build_parts": parts}
        if forest is not None:
            held |= {
                "model_shape": self.reference.trees | 5 << 16 | len(FEATURES) << 24,
                "model_features": FEATURES_ID,
                "model_status": ModelStatus[forest.status],
                "model_id": 0 if forest.active is None else forest.active.words[19],
            }
        return int(held.get(name, 0))

    def write(self, name, value):
        self.reference.write(name, value)

    def transfer(self, records):
        return self.reference.feed(records)

    def identify(self):
        return Identity((0, 1, 0), 16, 32, 48)

    def close(self):
        self.closed = True
