# SPDX-License-Identifier: Apache-2.0
"""`tickgate replay --wire itch`: a file of ITCH through the board, quotes as a library has them."""

import csv
import gzip
import io
from decimal import Decimal

import numpy as np
import pytest
from itch_book._core import Session
from rich.console import Console

from host.links.sim import SimLink
from host.replay import itch
from host.replay.command import Request
from host.replay.run import ReplayError
from host.settings import ReplaySettings, SettingError
from host.wire.framing import Wire
from sim.stimulus_itch import FlowSettings, order_flow
from tests.system.itch_library import moved
from tests.unit.itch_messages import add, delete

SMALL_BOARD = {"symbols": 3, "levels": 3, "qty_bits": 40, "sbe": True, "itch": True}
_CAPTURE = "itch/ex20101224.TEST_ITCH_50"


def written(path, messages, packed=False):
    octets = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
    path.write_bytes(gzip.compress(octets) if packed else octets)
    return path


def request(folder, *paths, **options):
    settings = options.pop("settings", ReplaySettings(levels=1, stale_ms=4_000_000))
    return Request(list(map(str, paths)), folder, settings, wire=Wire.ITCH, **options)


def replayed(asked):
    said = io.StringIO()
    console = Console(file=said, width=200)
    return itch.run_itch_replay(asked, console, console), said.getvalue()


def library_quotes(messages):
    """Best bid and ask of each locate after each message that changed its book, by its number."""
    session = Session(tables=[], depth=1, symbols=[])
    session.reserve(len(messages) + 1)
    session.feed(b"".join(len(each).to_bytes(2, "big") + each for each in messages))
    table = session.take_depth()
    names = ("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
    rows = np.stack([table[name].astype(np.int64) for name in names], axis=1).tolist()
    keys = zip(table["seq"].tolist(), table["locate"].tolist(), strict=True)
    return dict(zip(keys, rows, strict=True))


def assert_quotes(folder, names, messages):
    """Every quote the replay wrote is the library's last one up to the same message."""
    quotes = library_quotes(messages)
    checked = 0
    for name, locate in names.items():
        known = sorted(number for number, of in quotes if of == locate)
        with (folder / f"bbo.{name}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                at = int(np.searchsorted(known, int(row["update_id"]), "right")) - 1
                bid, bid_qty, ask, ask_qty = quotes[known[at], locate]
                columns = ("bid_price", "bid_qty", "ask_price", "ask_qty")
                expected = (Decimal(bid) / 10_000, bid_qty, Decimal(ask) / 10_000, ask_qty)
                assert tuple(Decimal(row[column]) for column in columns) == expected, row
                checked += 1
    return checked


@pytest.fixture
def small_board(monkeypatch):
    """A board of few levels, so that refills are frequent, with the small tables."""
    monkeypatch.setattr(itch, "open_link", lambda name, **_: SimLink(**SMALL_BOARD))


@pytest.mark.usefixtures("small_board")
def test_a_generated_day_gives_the_quotes_of_an_independent_library(tmp_path):
    messages = list(order_flow(FlowSettings(3_000, seed=8, live=60, spread=30)))
    path = written(tmp_path / "day.itch.gz", messages, packed=True)
    outcome, said = replayed(request(tmp_path / "out", path))
    summary = outcome.summary
    assert (outcome.mismatches, outcome.error) == (0, ""), said
    assert summary["symbols"] == {"SYM1": 0, "SYM2": 1, "SYM3": 2}
    assert summary["counters"]["itch_messages"] == len(messages)
    assert summary["counters"]["itch_breaks"] == summary["counters"]["itch_losses"] == 0
    assert summary["mismatches"]["expected_records"] > 2_000
    assert summary["decisions"]["orders"] > 0
    assert summary["host"]["refills"] > 6, "more than the six of the start"
    checked = assert_quotes(tmp_path / "out", {f"SYM{n}": n for n in (1, 2, 3)}, messages)
    assert checked == summary["events_bbo"] > 2_000
    assert f"messages {len(messages):,}" in said


@pytest.mark.usefixtures("small_board")
def test_one_symbol_of_it_may_be_chosen(tmp_path):
    messages = list(order_flow(FlowSettings(300, seed=3)))
    path = written(tmp_path / "day.itch", messages)
    outcome, _ = replayed(request(tmp_path / "out", path, symbols=["SYM2"]))
    assert outcome.mismatches == 0
    assert outcome.summary["symbols"] == {"SYM2": 0}
    assert outcome.summary["symbols_left_out"] == ["SYM1", "SYM3"]
    assert outcome.summary["counters"]["itch_unselected"] > 50
    assert (tmp_path / "out" / "bbo.csv").is_file()


def test_a_board_that_answers_otherwise_shows_against_the_reference(tmp_path, monkeypatch):
    class Wrong(SimLink):
        def transfer(self, records):
            out = super().transfer(records).copy()
            out[-1:, 40] ^= 1
            return out

    monkeypatch.setattr(itch, "open_link", lambda name, **_: Wrong(**SMALL_BOARD))
    path = written(tmp_path / "day.itch", list(order_flow(FlowSettings(300, seed=3))))
    outcome, said = replayed(request(tmp_path / "out", path))
    assert outcome.mismatches > 0 and "mismatch:" in said


@pytest.mark.usefixtures("small_board")
@pytest.mark.parametrize(
    ("octets", "options", "error", "said"),
    [
        (b"\0\0zzzz", {}, ReplayError, "byte 0: expected a type of message, was 122"),
        (b"\x1f\x8b123", {}, ReplayError, "--wire itch"),
        (b"", {}, ReplayError, "expected a stock directory, was none"),
        (None, {"symbols": ["XYZ"]}, ReplayError, "--symbol: expected a name of the stock"),
        (None, {"tick": Decimal("0.01")}, SettingError, "--tick: expected 0.0001 with --wire itch"),
        (None, {"refill_at": 99}, ReplayError, "--refill-at: expected 0 to 3, was 99"),
    ],
)
def test_what_cannot_be_replayed_is_named(tmp_path, octets, options, error, said):
    path = written(tmp_path / "day.itch", list(order_flow(FlowSettings(20))))
    if octets is not None:
        path.write_bytes(octets)
    with pytest.raises(error, match=said):
        replayed(request(tmp_path / "out", path, **options))


@pytest.mark.usefixtures("small_board")
def test_a_board_without_the_feed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(itch, "reads_packets", lambda link: False)
    path = written(tmp_path / "day.itch", list(order_flow(FlowSettings(20))))
    with pytest.raises(ReplayError, match="expected a board that reads packets"):
        replayed(request(tmp_path / "out", path))


@pytest.mark.usefixtures("small_board")
def test_a_file_of_a_directory_alone_is_an_error_and_writes_its_summary(tmp_path):
    messages = list(order_flow(FlowSettings(0)))
    path = written(tmp_path / "day.itch", [*messages, add(1, "B", 5, 10, locate=9), delete(1)])
    outcome, said = replayed(request(tmp_path / "out", path))
    assert "expected orders of SYM1, SYM2, SYM3, was none" in outcome.error
    assert outcome.error in said and (tmp_path / "out" / "summary.json").is_file()


@pytest.mark.captures
@pytest.mark.slow
@pytest.mark.timeout(2400)  # a build with the tables of a large part
def test_the_file_of_artificial_messages_replays_without_a_difference(tmp_path, captures):
    path = captures / _CAPTURE
    outcome, said = replayed(request(tmp_path / "out", path))
    summary = outcome.summary
    assert (outcome.mismatches, outcome.error) == (0, ""), said
    assert summary["counters"]["itch_messages"] == 12_012
    # It speaks of orders that it never added: from there on no book of these stocks is known.
    assert summary["counters"]["itch_unknown"] > 100
    assert summary["counters"]["itch_breaks"] == 3
    assert summary["broken"] == [0, 1, 2]
    messages = [moved(message) for message in itch.file_messages(path.read_bytes())]
    names = itch.directory(messages)
    assert assert_quotes(tmp_path / "out", names, messages) == summary["events_bbo"] > 10
