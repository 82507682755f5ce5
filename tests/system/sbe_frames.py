# SPDX-License-Identifier: Apache-2.0
"""A host's native records as frames: every event as the SBE message that says the same."""

from host.contract.records import InFlag, InKind
from tests.unit import sbe_bytes
from tests.unit.sbe_streams import HOLD, frame, record, start


def as_frames(records, price, qty, **message):
    """Beats with a frame in place of each event; `price` and `qty` mantissas are a tick and a lot.

    The other arguments are those of the byte builder, for every message.
    Refills stay records, before an event or inside it. At the first event after a snapshot the
    snapshot's update id is told, and every event's first id follows the last one.
    """
    beats, last_ids = [], {}
    begun, inside = None, []
    for row in records.tolist():
        kind, flags, symbol, _, _, value = row
        if kind == InKind.EVENT_BEGIN:
            begun, inside = value, []
        elif begun is None:
            if kind == InKind.CLEAR:
                last_ids.pop(symbol, None)
            beats.append(record(*row))
        elif kind != InKind.EVENT_END:
            inside.append(row)
        else:
            if not flags & InFlag.BOOK:
                beats.append(_trade(row, begun, inside, price, qty, message))
            else:
                if symbol not in last_ids:
                    last_ids[symbol] = value - 1
                    beats.append(start(symbol, value - 1))
                beats += _depth(row, last_ids[symbol] + 1, begun, inside, price, qty, message)
                last_ids[symbol] = value
            begun = None
    return b"".join(beats)


def _depth(row, first_id, time_us, inside, price, qty, more):
    symbol, last_id = row[2], row[5]
    sides, refills = ([], []), []
    for one in inside:
        kind, flags, _, _, ticks, lots = one
        if kind == InKind.LEVEL and not flags & InFlag.REFILL:
            assert not refills, "updates come before refills"
            sides[flags & InFlag.SIDE].append((ticks * price, lots * qty))
        else:
            refills.append(record(*one))
    message = sbe_bytes.diff(first_id, last_id, *sides, time_us=time_us, **more)
    if not refills:
        return [frame(message, symbol)]
    return [frame(message, symbol, HOLD), *refills, record(*row)]


def _trade(row, time_us, inside, price, qty, more):
    ((_, flags, symbol, _, ticks, lots),) = inside
    entry = (row[5], ticks * price, lots * qty, flags & InFlag.SIDE)
    return frame(sbe_bytes.trades([entry], transact_us=time_us, **more), symbol)
