# SPDX-License-Identifier: Apache-2.0
"""What the tests of the venues share: a session of one symbol, and its records in words."""

import json
from decimal import Decimal

from host.feeds.messages import Instrument
from host.feeds.session import COUNTERS, FeedSession
from host.feeds.settings import FeedSettings
from host.feeds.venues import VENUES

KINDS = {1: "LEVEL", 2: "TRADE", 3: "CLEAR", 4: "BEGIN", 5: "END", 6: "R_BEGIN", 7: "R_END"}
CLEARED = [("CLEAR", 16, 0, 0), ("CLEAR", 17, 0, 0)]
SETTINGS = FeedSettings(levels=4)


def session(venue, *names, tick="0.1", lot="0.01", settings=SETTINGS, **kwargs):
    """A session that knows the names, from symbol number 5 on."""
    known = [Instrument(name, 5 + n, Decimal(tick), Decimal(lot)) for n, name in enumerate(names)]
    return FeedSession(known, settings, venue=VENUES[venue], **kwargs)


def send(s, frame, address="", connection=""):
    s.feed_payload(json.dumps(frame), address, connection)


def records(s, symbol=5):
    """The records made for a symbol, as (kind, flags, price, value)."""
    taken = s.take()
    return [(KINDS[k], f, p, v) for k, f, n, _, p, v in taken.tolist() if n == symbol]


def refill(side, levels, horizon=None):
    """Records of a side sent as a snapshot; side 0 bids, 1 asks; `horizon` None: whole."""
    end = ("R_END", 4 | side, 0, 0) if horizon is None else ("R_END", side, horizon, 0)
    return [("R_BEGIN", side, 0, 0), *(("LEVEL", 2 | side, p, q) for p, q in levels), end]


def ids(got):
    """Update ids of the book events among records."""
    return [value for kind, flags, _, value in got if kind == "END" and flags == 8]


def counted(s, **expected):
    """The named counters have these values; every counter has a description."""
    assert {name: s.counters[name] for name in expected} == expected
    assert set(s.counters) == set(COUNTERS)
