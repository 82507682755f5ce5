# SPDX-License-Identifier: Apache-2.0
"""The features: name, place in the vector, format, unit, formula and source of each.

The one place where features are named and ordered. The fabric's vector, the FEATURES records,
the host's mirror (``host/contract/features.py``) and a model's inputs all follow it. A feature is
a signed number of `FEATURE_BITS` bits, cut to its range and never wrapped; all are 0 at an event
whose best bid and offer are not valid. Exact definitions are in ``docs/signals.md``.

Notation: b, a best bid and ask in ticks; m = a + b, twice the mid; x' is x at the symbol's last
event with a valid best bid and offer. L(x) = 0 for 0, else 1 + log2 x by a table; M(x) the same
with log2 read straight between powers of two; S(x) = sign(x) M(|x|). All three in Q7.10.
"""

import zlib
from dataclasses import dataclass

__all__ = [
    "FEATURES",
    "FEATURES_ID",
    "FEATURES_PER_RECORD",
    "FEATURE_BITS",
    "FEATURE_COUNT",
    "FEATURE_PAGES",
    "FEATURE_SLOTS",
    "LOG_FRACTION_BITS",
    "SCORE_FRACTION_BITS",
    "Feature",
]

#: Width of a feature, bits, sign included.
FEATURE_BITS = 18
#: Most features a vector may ever hold; a model's feature number is below it.
FEATURE_SLOTS = 32
#: Bits after the point of a logarithm: 1024 is a factor of two.
LOG_FRACTION_BITS = 10
#: Bits after the point of a model's score, a sum of leaves in the logit domain.
SCORE_FRACTION_BITS = 16
#: Features of one FEATURES record.
FEATURES_PER_RECORD = 12


@dataclass(frozen=True)
class Feature:
    """One feature of the vector.

    Parameters
    ----------
    name : str
        Its name in records, models and figures.
    fraction_bits : int
        Bits after the point.
    unit : str
        Unit of 1.0.
    formula : str
        What it is, in the notation of this file.
    source : str
        Where the idea is published, or what it is made from.
    """

    name: str
    fraction_bits: int
    unit: str
    formula: str
    source: str

    @property
    def format(self) -> str:
        """Q notation: bits before the point without the sign, bits after it."""
        return f"Q{FEATURE_BITS - 1 - self.fraction_bits}.{self.fraction_bits}"


def _log(name: str, unit: str, formula: str, source: str) -> Feature:
    return Feature(name, LOG_FRACTION_BITS, unit, formula, source)


_OFI = "Cont, Kukanov, Stoikov, The Price Impact of Order Book Events, 2014"
_MLOFI = "Xu, Gould, Howison, Multi-Level Order-Flow Imbalance, 2018"

#: All features in the order of the vector.
FEATURES: tuple[Feature, ...] = (
    _log("spread", "log2 ticks", "M(a - b)", "book"),
    _log("imbalance_1", "octaves", "L(best bid lots) - L(best ask lots)", "book"),
    _log("imbalance_n", "octaves", "L(first N bids) - L(first N asks), lots", "book"),
    _log(
        "imbalance_weighted",
        "octaves",
        "L(sum of bids x 2^-i) - L(sum of asks x 2^-i) over the visible levels i = 0, 1, ...",
        "book",
    ),
    _log("ofi_event", "signed log2 lots", "S(e), e the best level's flow since the last", _OFI),
    _log("ofi", "signed log2 lots/256", "S(leaky sum of e)", _OFI),
    _log(
        "ofi_multi",
        "signed log2 lots/4096",
        "S(leaky sum of e_i x 2^-i over 5 levels i)",
        _MLOFI,
    ),
    _log("trade_flow", "octaves", "L(bought) - L(sold) in the trade window, lots", "tape"),
    _log("print_flow", "signed log2 lots", "S(bought - sold since the last event)", "tape"),
    _log("volume_spike", "octaves", "L(volume of the trade window) - L(its own average)", "tape"),
    Feature(
        "micro_offset",
        8,
        "ticks",
        "entry of the loaded table at the bucket of imbalance_1 and of the spread",
        "Stoikov, The micro-price, 2018",
    ),
    _log(
        "vwap_distance",
        "signed log2 half ticks/256",
        "sign(D) max(0, M(|D|) - M(V) + 8), D = m' V - 2 sum(price x lots), V = sum(lots) of the "
        "trade window, at the last event",
        "tape",
    ),
    _log(
        "cancel_share",
        "octaves",
        "L(R) - L(T) before this event; R, T leaky sums of lots that left the best levels, and "
        "of lots traded",
        "book and tape",
    ),
    _log("mid_change", "signed log2 half ticks", "S(m - m')", "book"),
    _log("mid_change_mean", "log2 half ticks/256", "M(average of |m - m'|) before this", "book"),
    _log(
        "true_range",
        "log2 half ticks/256",
        "M(average true range of m over closed bars), before this event",
        "Wilder, New Concepts in Technical Trading Systems, 1978",
    ),
    _log("update_rate", "log2", "32 - M(average interval of events, us/256), before this", "time"),
    _log("event_gap", "log2 us", "M(stream time since the last event)", "time"),
    _log("wall_bid", "octaves", "L(largest of the first N bids) - L(their sum)", "book"),
    _log("wall_ask", "octaves", "L(largest of the first N asks) - L(their sum)", "book"),
    _log("wall_bid_distance", "log2 ticks", "M(b - price of the largest bid)", "book"),
    _log("wall_ask_distance", "log2 ticks", "M(price of the largest ask - a)", "book"),
    _log("liquidity", "octaves", "L(first N bids and asks, lots) - L(its own average)", "book"),
    _log("print_offset", "signed log2 half ticks", "S(2 x last trade's price - m)", "tape"),
)
#: Features of this version.
FEATURE_COUNT = len(FEATURES)
#: FEATURES records of one event.
FEATURE_PAGES = -(-FEATURE_COUNT // FEATURES_PER_RECORD)

#: Identity of the list, which an image of a model must name.
FEATURES_ID = zlib.crc32("\n".join(f"{f.name} {f.fraction_bits}" for f in FEATURES).encode())

if FEATURE_COUNT > FEATURE_SLOTS or len({f.name for f in FEATURES}) != FEATURE_COUNT:
    raise ValueError(f"features: expected at most {FEATURE_SLOTS} names, each once")
