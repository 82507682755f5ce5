# SPDX-License-Identifier: Apache-2.0
import gzip
import io
import json
from collections import Counter

import numpy as np
import pytest
from rich.console import Console

from host.contract.records import DECISION_DTYPE, IN_DTYPE, OutKind
from host.execution.assumed import assumed_fills
from host.links import LinkError
from host.links.sim import SimLink
from host.replay import command
from host.settings import ReplaySettings
from tests.host.replay_helpers import payload, replayed, slice_lines, with_payload, write_capture


@pytest.fixture(scope="module")
def lines():
    return slice_lines()[:6000]


@pytest.fixture(scope="module")
def capture(tmp_path_factory, lines):
    return write_capture(tmp_path_factory.mktemp("capture"), lines)


class Tampered(SimLink):
    """A board that lies in one place."""

    lie = None

    def transfer(self, records):
        out = super().transfer(records)
        self.tamper(out)
        return out

    def tamper(self, out):
        rows = np.flatnonzero(out[:, 0] == self.lie[0])
        if len(rows) and not getattr(self, "done", False):
            self.done = True
            out[rows[-1], self.lie[1]] ^= 1

    def read(self, name):
        value = super().read(name)
        return value + 1 if name == self.lie else value


@pytest.fixture
def board(monkeypatch):
    def use(link, **options):
        monkeypatch.setattr(command, "open_link", lambda name: link(**options))

    return use


def lying(lie):
    return type("Lying", (Tampered,), {"lie": lie, "tamper": Tampered.tamper})


def test_a_record_that_differs_from_the_reference_is_shown_with_both_sides(
    tmp_path, capture, board
):
    ask_price = 36
    board(lying((int(OutKind.VIEW), ask_price)))
    result = replayed(tmp_path, capture)
    assert result.outcome.mismatches
    assert result.summary["mismatches"]["records"] == 1
    assert result.summary["mismatches"]["counters"] == {}
    assert result.summary["exchange_wrong"] == 1
    assert "1 records differ from the reference model" in result.text
    marked = [line for line in result.text.splitlines() if line.startswith("> ")]
    assert [line.split()[1] for line in marked] == ["ask_price_ticks"]


def test_a_counter_that_differs_from_the_reference_is_a_mismatch(tmp_path, capture, board):
    board(type("Lying", (Tampered,), {"lie": "level_beyond", "tamper": lambda self, out: None}))
    result = replayed(tmp_path, capture)
    wrong = result.summary["mismatches"]["counters"]
    assert list(wrong) == ["level_beyond"]
    assert wrong["level_beyond"]["actual"] == wrong["level_beyond"]["expected"] + 1
    assert result.outcome.mismatches == 1


def test_a_latency_that_is_not_constant_is_a_mismatch(tmp_path, capture, board):
    latency_cycles = DECISION_DTYPE.fields["latency_cycles"][1]
    board(lying((int(OutKind.DECISION), latency_cycles)))
    result = replayed(tmp_path, capture)
    assert result.summary["mismatches"]["records"] == 0
    assert any("expected a constant" in text for text in result.summary["mismatches"]["latency"])
    assert result.outcome.mismatches


def test_a_book_ticker_that_differs_is_a_mismatch(tmp_path, lines):
    places = [n for n, line in enumerate(lines) if "@bookTicker" in line]
    changed = list(lines)
    for place in places[2000:2200]:
        frame = payload(lines[place])
        frame["data"]["B"] = "123456.789"
        changed[place] = with_payload(lines[place], frame)
    result = replayed(tmp_path, write_capture(tmp_path, changed))
    assert result.summary["mismatches"]["records"] == 0
    assert result.summary["exchange_wrong"] > 0
    assert result.outcome.mismatches == result.summary["exchange_wrong"]
    assert "quotes differ from the exchange" in result.text


def test_another_config_hash_is_refused_before_anything_is_sent(tmp_path, capture, board):
    board(type("Other", (Tampered,), {"lie": "config_hash"}))
    with pytest.raises(LinkError, match="register config_hash: expected 0x"):
        replayed(tmp_path, capture)


def test_pauses_of_the_link_change_no_decision(tmp_path, capture, board):
    plain = replayed(tmp_path / "plain", capture)
    board(SimLink, stalls=(7, 400, 400))
    stalled = replayed(tmp_path / "stalled", capture)
    assert stalled.summary["mismatches"]["total"] == 0
    assert stalled.bbo == plain.bbo
    cycles = {"span_cycles", "cycle_decision"}
    for one, two in zip(plain.decisions, stalled.decisions, strict=True):
        assert {name for name in one if one[name] != two[name]} <= cycles
    assert stalled.summary["speed"]["board_cycles"] > plain.summary["speed"]["board_cycles"]


def test_a_fabric_that_has_to_ask_for_refills_gets_them(tmp_path, capture):
    result = replayed(tmp_path, capture, refill_at=0)
    assert result.summary["refills"]["requested_by_fabric"] > 0
    assert result.summary["refills"]["requests_unanswered"] == 0
    assert (
        result.summary["counters"]["refill_requests"]
        == (result.summary["refills"]["requested_by_fabric"])
    )
    assert result.summary["mismatches"]["total"] == 0
    assert len(result.bbo) > 0.95 * result.summary["depth_events"]


def test_each_accepted_order_is_reported_as_one_fill(tmp_path, capture):
    result = replayed(tmp_path, capture)
    accepted = [row for row in result.decisions if row["accepted"]]
    assert accepted
    assert result.summary["counters"]["reports"] == len(accepted)
    assert result.summary["counters"]["orders"] == len(accepted)


def test_positions_stay_within_their_limit_at_every_order(tmp_path, capture):
    settings = ReplaySettings.checked(order_qty="0.002", max_position="0.007", rate="1000")
    result = replayed(tmp_path, capture, settings=settings)
    position = most = 0
    for row in result.decisions:
        if row["accepted"]:
            assert (row["qty_lots"], row["qty"]) == (2, "0.002")
            position += 2 if row["side"] == "buy" else -2
            most = max(most, abs(position))
    assert most == 6
    assert result.summary["decisions"]["refused_by_reason"]["POSITION"] > 0


def test_the_summary_names_every_register_that_was_written(tmp_path, capture):
    settings = ReplaySettings.checked(order_qty="0.002", max_position="0.007", collar_ticks=9)
    written = replayed(tmp_path, capture, settings=settings).summary["registers"]
    assert (written["order_qty"], written["mode"], written["levels_n"]) == (2, 2, 10)
    assert written["limits_by_symbol"] == {
        "0": {
            "permit": 1,
            "mode": 2,
            "waive": (1 << 64) - 1,
            "max_qty": 2,
            "max_notional": (1 << 64) - 1,
            "collar_ticks": 9,
            "max_position": 7,
        }
    }


def test_without_reports_orders_stay_open_and_use_up_the_limit(tmp_path, capture):
    result = replayed(tmp_path, capture, fills=False)
    accepted = Counter(row["side"] for row in result.decisions if row["accepted"])
    assert result.summary["counters"]["reports"] == 0
    assert max(accepted.values()) == 10
    assert "exercises the position limits" not in result.text


def test_decisions_carry_the_time_of_their_event(tmp_path, capture, lines):
    result = replayed(tmp_path, capture)
    times = {}
    for line in lines:
        if '"depthUpdate"' in line:
            data = payload(line)["data"]
            times[data["u"]] = data["T"] * 1000
    assert result.decisions
    assert all(row["time_us"] == times[row["update_id"]] for row in result.decisions)


def test_the_reference_can_be_left_out(tmp_path, capture):
    result = replayed(tmp_path, capture, reference=False)
    assert result.summary["mismatches"]["records"] is None
    assert "not asked for" in result.text
    assert not result.outcome.mismatches


def test_files_of_an_older_replay_do_not_stay(tmp_path, capture):
    for name in ("report.html", "price.png", "bbo.OLD.csv"):
        (tmp_path / name).write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    replayed(tmp_path, capture)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bbo.csv",
        "decisions.parquet",
        "mine.txt",
        "summary.json",
        "views.parquet",
    ]


def test_two_symbols_get_a_file_of_quotes_each(tmp_path, lines):
    place = next(n for n, line in enumerate(lines) if "lastUpdateId" in line)
    both = []
    for n, line in enumerate(lines):
        frame = payload(line)
        if n == place:
            names = {"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}
            both += [with_payload(line, frame | name) for name in names]
        else:
            both += [line, line.replace("btcusdt@", "ethusdt@").replace("BTCUSDT", "ETHUSDT")]
    path = tmp_path / "both.gz"
    path.write_bytes(gzip.compress("\n".join(both).encode(), 1))
    out = tmp_path / "out"
    quiet = Console(file=io.StringIO())
    command.run_replay(
        command.Request([str(path)], out, ReplaySettings(), report=False), quiet, quiet
    )
    one, two = (out / f"bbo.{name}.csv" for name in ("BTCUSDT", "ETHUSDT"))
    assert one.read_text() == two.read_text()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["mismatches"]["total"] == 0
    assert summary["exchange_equal"] == summary["exchange_checked"] > 800


def test_a_fill_repeats_the_accepted_order():
    rows = np.zeros(3, DECISION_DTYPE)
    rows["kind"] = 1
    rows["flags"] = [0, 2, 1]  # a buy, a refused buy, a sell
    rows["symbol"] = [4, 5, 6]
    rows["price_ticks"] = [100, 200, 300]
    rows["qty_lots"] = [7, 8, 1 << 47]
    view = np.zeros((1, 64), np.uint8)
    view[0, 0] = 3
    fills = assumed_fills(np.concatenate([rows.view(np.uint8).reshape(-1, 64), view]))
    assert fills.dtype == IN_DTYPE
    # kind FILL, side, symbol, tag, price, quantity
    assert fills.tolist() == [(9, 0, 4, 0, 100, 7), (9, 1, 6, 0, 300, 1 << 47)]
