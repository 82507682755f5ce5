# SPDX-License-Identifier: Apache-2.0
"""Binance's frames as SBE: as they come from the binary streams, or made from its JSON."""

from __future__ import annotations

from dataclasses import replace

from host.feeds.messages import BookTicker, DepthUpdate, Parsed, Refusal, Trade, Trades
from host.feeds.venue import Venue
from host.feeds.venues import BINANCE
from host.wire.sbe_decode import parse_sbe
from host.wire.sbe_encode import SbeEncodeError, SbeEncoder

__all__ = ["BINANCE_SBE", "NotBinance", "over_sbe"]


class NotBinance(ValueError):
    """The venue's messages do not go over this wire."""


def _parse(payload: bytes | str, address: str) -> Parsed | list[Parsed]:
    if address.startswith("http"):
        return BINANCE.parse(payload, address)
    return parse_sbe(payload)


#: Frames of the binary streams: bytes are SBE, text is JSON.
BINANCE_SBE: Venue = replace(BINANCE, name="BINANCE_SBE", parse=_parse)


def over_sbe(venue: Venue, encoder: SbeEncoder | None = None) -> Venue:
    """The same venue, its depth updates, trades and tickers with frames for the board.

    Parameters
    ----------
    venue : Venue
        Of Binance. Messages that came as SBE keep their frame.
    encoder : SbeEncoder, optional
        Makes the frames of JSON messages; with the venue's exponents if not given. A message
        that has no exact frame becomes a refusal, `not_encoded`.

    Raises
    ------
    NotBinance
        The venue is another one.
    """
    if not venue.name.startswith("BINANCE"):
        raise NotBinance(f"wire sbe: expected a capture of Binance, was one of {venue.name}")
    frames = SbeEncoder() if encoder is None else encoder

    def with_frame(parsed: Parsed) -> Parsed:
        try:
            if isinstance(parsed, DepthUpdate) and parsed.frame is None:
                return parsed._replace(frame=frames.depth(parsed))
            if isinstance(parsed, Trade):
                return Trades(parsed.symbol, (parsed,), frames.trades([parsed]))
            if isinstance(parsed, BookTicker) and parsed.frame is None:
                return parsed._replace(frame=frames.ticker(parsed))
        except SbeEncodeError as error:
            return Refusal("not_encoded", f"{type(error).__name__}: {error}")
        return parsed

    def parse(payload: bytes | str, address: str) -> Parsed | list[Parsed]:
        parsed = venue.parse(payload, address)
        if isinstance(parsed, list):
            return [with_frame(one) for one in parsed]
        return with_frame(parsed)

    return replace(venue, parse=parse)
