# SPDX-License-Identifier: Apache-2.0
"""Records that a test of a link sends, and what it reads in the answer."""

import numpy as np

from host.contract.records import IN_DTYPE, VIEW_DTYPE, InFlag, InKind, OutKind


def rows(*records):
    """Records from tuples of their fields."""
    return np.array(list(records), dtype=IN_DTYPE)


def views(out):
    """Views among out records."""
    return out[out[:, 0] == OutKind.VIEW].copy().view(VIEW_DTYPE).reshape(-1)


def look(symbols, update_id):
    """A book event of each symbol without updates."""
    return rows(
        *(
            record
            for symbol in range(symbols)
            for record in (
                (InKind.EVENT_BEGIN, 0, symbol, 0, 0, 0),
                (InKind.EVENT_END, InFlag.BOOK, symbol, 0, 0, update_id),
            )
        )
    )


def load(symbols, bid=100, ask=101):
    """A whole book of one level a side, for each symbol."""
    records = []
    for symbol in range(symbols):
        for side, price in ((0, bid), (InFlag.SIDE, ask)):
            records += [
                (InKind.REFILL_BEGIN, side, symbol, 0, 0, 0),
                (InKind.LEVEL, side | InFlag.REFILL, symbol, 0, price, 7),
                (InKind.REFILL_END, side | InFlag.WHOLE, symbol, 0, 0, 0),
            ]
    return rows(*records)
