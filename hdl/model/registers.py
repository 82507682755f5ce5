# SPDX-License-Identifier: Apache-2.0
"""Registers and counters of the model."""

from hdl.regs.register import Access, Register

__all__ = ["COUNTERS", "REGISTERS"]

#: Counter registers: name and what is counted.
COUNTERS: tuple[tuple[str, str], ...] = (
    ("model_loads", "model images accepted"),
    ("model_refusals", "model images refused or given up"),
    ("model_overruns", "events that came too soon behind another to be scored"),
)

REGISTERS: tuple[Register, ...] = (
    Register(
        "model_shape",
        32,
        Access.RO,
        "trees of this build, their depth << 16, features << 24; 0: no forest",
    ),
    Register("model_features", 32, Access.RO, "identity of this build's feature list"),
    Register("model_begin", 32, Access.WO, "any: a model image begins"),
    Register("model_data", 32, Access.WO, "next word of the image"),
    Register(
        "model_commit", 32, Access.WO, "CRC-32 of the image's words: it is put in use, or refused"
    ),
    Register(
        "model_status",
        32,
        Access.RO,
        "what became of the last image, `ModelStatus` in model.md: 2 accepted, above 2 refused",
    ),
    Register("model_words", 32, Access.RO, "words taken of the last image"),
    Register("model_id", 32, Access.RO, "identity of the model in use; 0 without one"),
)
