# SPDX-License-Identifier: Apache-2.0
"""Recordings of venues through ``tickgate replay``, made here by hand; see also tests/system."""

import csv
import io
import json
import zlib

import numpy as np
import pytest
import zstandard
from rich.console import Console

from host import cli
from host.contract.records import VIEW_DTYPE, OutKind, ViewReason
from host.feeds.capture import CaptureError
from host.links.sim import SimLink
from host.replay import command
from host.replay.command import Request, run_replay
from host.replay.run import Options, replay
from host.replay.source import open_captures
from host.settings import ReplaySettings

T0 = 1_626_994_927.0
MS0 = 1_626_994_927_000
KRAKEN = "wss://futures.kraken.com/ws/v1"
NAMES = ("PI_XBTUSD", "PI_ETHUSD")


def line(**fields):
    return json.dumps({"conn": "ws", "ts": T0, **fields})


def header(exchange):
    return json.dumps({"t": "header", "format": 2, "exchange": exchange})


def received(at, frame):
    return line(t="recv", ts=T0 + at, data=json.dumps(frame))


def ladder(name, seq):
    """A book of 40 levels a side around 100.0 and 100.1."""
    return {
        "feed": "book_snapshot",
        "product_id": name,
        "timestamp": MS0,
        "seq": seq,
        "bids": [{"price": (1000 - n) / 10, "qty": 10.0 + n} for n in range(40)],
        "asks": [{"price": (1001 + n) / 10, "qty": 10.0 + n} for n in range(40)],
    }


def update(name, seq, side, price, qty, ms=0):
    return {
        "feed": "book",
        "product_id": name,
        "side": side,
        "seq": seq,
        "price": price,
        "qty": qty,
        "timestamp": MS0 + ms,
    }


def ticker(name, bid, ask):
    return {"feed": "ticker_lite", "product_id": name, "bid": bid, "ask": ask}


def kraken(names=NAMES, last=(100.0, 100.2)):
    """Each book loses its best ask, and a ticker comes before and after."""
    lines = [header("KRAKEN_FUTURES"), line(t="connect", addr=KRAKEN)]
    for n, name in enumerate(names):
        lines += [
            received(0.1 + n, ladder(name, 7)),
            received(0.2 + n, ticker(name, 100.0, 100.1)),
            received(0.3 + n, update(name, 8, "sell", 100.1, 0.0, 300)),
            received(0.4 + n, ticker(name, *last)),
            received(0.5 + n, update(name, 9, "buy", 99.5, 3.0, 500)),
        ]
    return lines


def crc_of(bids, asks):
    """The checksum as the venue describes it: best 25 levels in turn, as a signed number."""
    parts = []
    for n in range(25):
        parts += [":".join(side[n][:2]) for side in (bids, asks) if n < len(side)]
    crc = zlib.crc32(":".join(parts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


def okx(damage=0):
    """A book of 12 levels a side, then its best bid gone; `damage` is added to the checksum."""
    bids = [[f"{100 - n}", f"{n + 1}", "0", "1"] for n in range(12)]
    asks = [[f"{101 + n}", f"{n + 1}", "0", "1"] for n in range(12)]
    frames = [
        ("snapshot", bids, asks, crc_of(bids, asks)),
        ("update", [["100", "0", "0", "0"]], [], crc_of(bids[1:], asks) + damage),
    ]
    lines = [header("OKX"), line(t="connect", addr="wss://ws.okx.com:8443/ws/v5/public")]
    for n, (action, some_bids, some_asks, checksum) in enumerate(frames):
        data = {"asks": some_asks, "bids": some_bids, "ts": str(MS0 + n), "checksum": checksum}
        arg = {"channel": "books", "instId": "BTC-USDT"}
        lines.append(received(n, {"arg": arg, "action": action, "data": [data]}))
    return lines


def write(folder, lines, name="recording.bin"):
    path = folder / name
    path.write_text("\n".join([*lines, ""]))
    return path


def compressed(path):
    path.write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
    return path


def replayed(folder, *paths, settings=None, **options):
    said = io.StringIO()
    console = Console(file=said, width=200)
    request = Request(
        [str(path) for path in paths],
        folder / "out",
        settings or ReplaySettings(),
        report=False,
        **options,
    )
    outcome = run_replay(request, console, console)
    return outcome, outcome.summary, said.getvalue()


@pytest.fixture
def tickgate(tmp_path, capfd):
    def run(*paths):
        arguments = ["replay", *map(str, paths), "--out", str(tmp_path / "out"), "--no-report"]
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        return stopped.value.code, capfd.readouterr().err

    return run


def test_a_recording_is_told_by_its_content_whatever_its_name(tmp_path, tickgate):
    plain = write(tmp_path, kraken(), "capture.gz")
    assert tickgate(plain) == (0, "")
    zipped = compressed(write(tmp_path, kraken(), "also.gz"))
    assert tickgate(zipped) == (0, "")


def test_all_symbols_are_replayed_and_each_quote_of_the_venue_is_compared(tmp_path):
    outcome, summary, said = replayed(tmp_path, write(tmp_path, kraken()))
    assert (outcome.mismatches, outcome.error) == (0, "")
    assert summary["exchange"] == "KRAKEN_FUTURES"
    assert set(summary["symbols"]) == set(NAMES)
    # of each symbol: a snapshot and two changes; two tickers
    assert (summary["depth_events"], summary["events_valid"]["count"]) == (6, 6)
    assert (summary["exchange_checked"], summary["exchange_equal"]) == (4, 4)
    assert summary["exchange_unchecked"] == 2
    assert summary["checksums"] is None
    assert "ticker_lite" in said and "4 of 4 checked" in said
    with (tmp_path / "out" / "bbo.PI_ETHUSD.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["update_id", "bid_price", "bid_qty", "ask_price", "ask_qty"],
        ["7", "100.0", "10", "100.1", "10"],
        ["8", "100.0", "10", "100.2", "11"],
        ["9", "100.0", "10", "100.2", "11"],
    ]


@pytest.mark.parametrize("last", [(100.0, 100.1), (99.9, 100.2)])
def test_a_quote_of_the_venue_that_differs_is_a_mismatch(tmp_path, last):
    outcome, summary, said = replayed(tmp_path, write(tmp_path, kraken(last=last)))
    assert (summary["exchange_checked"], summary["exchange_wrong"]) == (4, 2)
    assert summary["mismatches"]["total"] == outcome.mismatches == 2
    assert "2 quotes differ from the exchange; PI_XBTUSD event 8" in said


def test_a_board_that_shows_another_book_than_the_checksum_vouches_for_is_found(
    tmp_path, monkeypatch
):
    class Lying(SimLink):
        def transfer(self, records):
            out = super().transfer(records)
            out[out[:, 0] == OutKind.VIEW, VIEW_DTYPE.fields["bid_qty_lots"][1]] ^= 1
            return out

    path = write(tmp_path, okx())
    outcome, summary, _ = replayed(tmp_path, path)
    assert (outcome.mismatches, summary["exchange_equal"]) == (0, 2)
    monkeypatch.setattr(command, "open_link", lambda name: Lying())
    outcome, summary, _ = replayed(tmp_path, path)
    assert (summary["exchange_checked"], summary["exchange_wrong"]) == (2, 2)


def test_checksums_are_counted_and_a_failed_one_clears_the_book(tmp_path):
    _, summary, said = replayed(tmp_path, write(tmp_path, okx()))
    assert summary["checksums"] == {"verified": 2, "failed": 0}
    assert "2 verified, 0 failed" in said
    outcome, summary, said = replayed(tmp_path, write(tmp_path, okx(damage=1)))
    assert summary["checksums"] == {"verified": 1, "failed": 1}
    assert outcome.mismatches == 0
    assert summary["host_refusals"][0]["reason"] == "checksum_failed"
    # the event is not sent, and nothing is vouched for after it
    assert (summary["depth_events"], summary["events"]) == (2, 1)


def test_symbols_the_board_has_no_room_for_are_refused_named_and_counted(tmp_path, monkeypatch):
    names = [f"PI_{n:02}USD" for n in range(18)]
    outcome, summary, said = replayed(tmp_path, write(tmp_path, kraken(names)))
    assert outcome.mismatches == 0
    assert set(summary["symbols"]) == set(names[:16])
    assert summary["symbols_refused"] == {"PI_16USD": 3, "PI_17USD": 3}
    assert summary["host"]["unknown_symbol"] == 6
    assert "the board has room for 16 symbols; refused: PI_16USD (3 messages), PI_17USD" in said


def test_a_symbol_that_is_asked_for_is_taken_alone(tmp_path):
    outcome, summary, _ = replayed(tmp_path, write(tmp_path, kraken()), symbols=["PI_ETHUSD"])
    assert (outcome.mismatches, outcome.error) == (0, "")
    assert list(summary["symbols"]) == ["PI_ETHUSD"]
    assert summary["symbols_refused"] == {"PI_XBTUSD": 3}


def test_recordings_of_one_venue_follow_each_other(tmp_path):
    first = write(tmp_path, kraken(), "first")
    outcome, summary, _ = replayed(tmp_path, first, write(tmp_path, kraken(), "second"))
    assert (outcome.mismatches, outcome.error) == (0, "")
    assert (summary["depth_events"], summary["events_valid"]["count"]) == (12, 12)
    assert summary["host"]["reconnects"] == 1 and summary["counters"]["clears"] == 4


def test_a_recording_that_is_cut_off_is_named_and_what_came_before_is_right(tmp_path, tickgate):
    lines = kraken([f"PI_{n:02}USD" for n in range(16)])
    # without compression, a cut takes as much of the lines as of the file
    block = zstandard.ZstdCompressor(level=1).compressobj()
    data = b""
    for text in lines:
        data += block.compress(text.encode() + b"\n")
        data += block.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    path = tmp_path / "cut.zst"
    path.write_bytes(data)
    status, err = tickgate(path)
    assert status == 2
    assert err.startswith("error: ") and err.count("\n") == 1
    assert "cut.zst: expected the end of the zstd data, was cut off" in err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["mismatches"]["total"] == 0
    assert summary["exchange_equal"] == summary["exchange_checked"] == 32
    assert "was cut off" in summary["capture_error"]


def test_a_recording_cut_off_in_its_first_line_is_named(tmp_path, tickgate):
    path = compressed(write(tmp_path, kraken(), "cut.zst"))
    path.write_bytes(path.read_bytes()[:20])
    status, err = tickgate(path)
    assert status == 2
    assert "cut.zst: expected the end of the zstd data, was cut off" in err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (kraken()[1:], "line 1: expected a header of format 2, was"),
        ([header("GEMINI"), *kraken()[1:]], "line 1: expected the exchange BINANCE or"),
        ([header("KRAKEN_FUTURES")], "expected a snapshot and the depth events that follow it"),
        (["{"], "line 1: expected a header of format 2, was '{'"),
    ],
)
def test_what_is_no_recording_of_a_known_venue_is_an_error_that_says_so(
    tmp_path, tickgate, lines, said
):
    for zipped in (False, True):
        path = write(tmp_path, lines)
        status, err = tickgate(compressed(path) if zipped else path)
        assert status == 2
        assert err.startswith("error: ") and err.count("\n") == 1
        assert f"recording.bin: {said}" in err
    if "GEMINI" in lines[0]:
        assert "was 'GEMINI'" in err


def test_two_formats_or_two_venues_in_one_run_are_refused(tmp_path):
    lines = write(tmp_path, ["1723161286299504703 {}"], "lines")
    one, other = write(tmp_path, kraken(), "one"), write(tmp_path, okx(), "other")
    with pytest.raises(CaptureError, match="other: line 1: expected the exchange KRAKEN_FUTURES"):
        open_captures([str(one), str(other)])
    with pytest.raises(CaptureError, match="one: expected lines of a time and a frame as in"):
        open_captures([str(lines), str(one)])
    with pytest.raises(CaptureError, match="missing: expected a readable file"):
        open_captures([str(tmp_path / "missing")])


@pytest.mark.parametrize(("given", "expected"), [(None, 16), (0, 0)])
def test_a_side_is_refilled_before_it_is_too_short_for_the_rule(tmp_path, given, expected):
    """The asks go one by one, so the fabric has to be refilled, or its view becomes shallow."""
    lines = kraken(["PI_XBTUSD"])
    for n in range(30):
        change = update("PI_XBTUSD", 10 + n, "sell", (1002 + n) / 10, 0.0, 600 + n)
        lines.append(received(2 + n / 100, change))
    options = Options([str(write(tmp_path, lines))], ReplaySettings(), refill_at=given)
    with SimLink() as link:
        run = replay(options, link, lambda done, total: None)
    assert run.session.settings.refill_at == expected
    views = np.ascontiguousarray(run.out[run.out[:, 0] == OutKind.VIEW]).view(VIEW_DTYPE)
    assert len(views) == 33
    shallow = (views["reasons"] & int(ViewReason.SHALLOW)) != 0
    assert shallow.any() == (given == 0)
