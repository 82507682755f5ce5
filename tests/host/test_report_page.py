# SPDX-License-Identifier: Apache-2.0
import base64
import dataclasses
import re
import struct

import numpy as np
import pytest

from host.contract.records import VIEW_DTYPE
from host.replay.tables import Tables
from host.report import figures
from host.report.page import page
from tests.host.replay_helpers import replayed, slice_lines, write_capture

NAMES = ("price.png", "imbalance.png", "validity.png", "latency.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def result(folder):
    return replayed(folder, write_capture(folder, slice_lines()[:4000]), report=True)


@pytest.fixture(scope="module")
def data(result):
    return figures.SymbolData.of(Tables.of(result.outcome.run), 0)


def markers(axes):
    """Points of the lines that are drawn as single marks, by label."""
    return {line.get_label(): line for line in axes.lines if line.get_linestyle() == "None"}


def test_the_page_holds_every_figure_and_needs_no_other_file(folder, result):
    html = (folder / "report.html").read_text()
    images = [
        base64.b64decode(found) for found in re.findall(r'src="data:image/png;base64,(.+?)"', html)
    ]
    assert images == [(folder / name).read_bytes() for name in NAMES]
    assert "http" not in html
    assert html.count("src=") == len(NAMES)
    assert not re.search(r"<(link|script)\b", html)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_png_wide_enough_to_read(folder, result, name):
    data = (folder / name).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", data[16:20])[0] == 1320


def test_the_page_says_what_the_figures_do_not_mean(folder, result):
    html = (folder / "report.html").read_text()
    for words in ("no backtest", "not sent anywhere", "It is not a time", "Everything that was"):
        assert words in html


def test_a_run_with_mismatches_is_marked_on_the_page(result):
    summary = {**result.summary, "mismatches": {**result.summary["mismatches"], "total": 3}}
    assert "3 mismatches: do not trust this run" in page(summary, [])
    assert "Everything that was checked agrees" not in page(summary, [])


def test_names_from_outside_cannot_become_markup(result):
    captures = [{"file": "<script>alert(1)</script>.gz", "sha256": "0"}]
    assert "<script>" not in page({**result.summary, "captures": captures}, [])


def test_the_price_figure_marks_each_accepted_order_and_each_refusal(result, data):
    top, bottom = figures.price(data).axes
    rows = result.decisions
    for side in ("buy", "sell"):
        prices = [float(r["price"]) for r in rows if r["accepted"] and r["side"] == side]
        line = markers(top)[f"accepted {side} ({len(prices):,})"]
        np.testing.assert_allclose(line.get_ydata(), prices)
    refusals = sum(len(row["verdict_names"].split()) for row in rows)
    assert sum(len(line.get_xdata()) for line in bottom.lines) == refusals > 0


def test_the_imbalance_figure_colours_what_lies_outside_the_thresholds(result, data):
    (axes,) = figures.imbalance(data, 10, 2.5).axes
    above = [
        line for line in axes.lines if line.get_color() == figures.BID and len(line.get_xdata()) > 2
    ]
    values = above[0].get_ydata()
    # every decision to buy was made above the upper threshold, once an event
    assert np.count_nonzero(np.isfinite(values)) == sum(
        r["side"] == "buy" for r in result.decisions
    )
    assert np.nanmin(values) >= 2.5


def test_the_latency_figure_shows_the_histograms(result):
    spans = [0, 0, 3, 0, 5] + [0] * 27
    left, right = figures.latency([0] * 9 + [8] + [0] * 22, spans).axes
    heights = {
        label.get_text(): bar.get_height()
        for label, bar in zip(left.get_xticklabels(), left.patches, strict=True)
    }
    assert {name: height for name, height in heights.items() if height} == {"9": 8}
    assert [bar.get_height() for bar in right.patches] == [3, 0, 5]
    assert [label.get_text() for label in right.get_xticklabels()] == [
        "2\nto 3",
        "4\nto 7",
        "8\nto 15",
    ]


def test_the_validity_figure_shows_each_state_for_as_long_as_it_held(data):
    views = np.zeros(6, VIEW_DTYPE)
    views["flags"] = [3, 3, 1, 0, 0, 3]
    views["reasons"] = [0, 0, 2, 4, 4, 0]
    times = np.arange(6).astype("datetime64[s]").astype("datetime64[us]")
    empty = data.decisions[:0]
    cleared = np.array([0, 1, 0, 0, 0, 0], bool)
    end = np.datetime64(9_000_000, "us")
    fake = figures.SymbolData("X", 0.1, 1.0, times, views, cleared, end, times[:0], empty)
    strip = figures.validity(fake, 10, 16).axes[0]
    assert [text.get_text() for text in strip.get_legend().get_texts()] == [
        "first 10 levels valid (3 events)",
        "best bid and offer only (1 events)",
        "not valid (2 events)",
        "cleared, no book (1 times)",
    ]
    day = 86_400
    spans = [
        [tuple(np.round(path.vertices[:, 0][[0, 2]] * day, 3)) for path in boxes.get_paths()]
        for boxes in strip.collections
    ]
    # valid, best bid and offer only, not valid, cleared; seconds
    assert spans == [[(0, 1), (5, 9)], [(2, 3)], [(3, 5)], [(1, 2)]]
    assert any("SHALLOW 1, CROSSED 2" in text.get_text() for text in strip.texts)


def test_figures_can_be_drawn_of_a_run_without_a_decision(data):
    quiet = dataclasses.replace(
        data, decision_time=data.decision_time[:0], decisions=data.decisions[:0]
    )
    _, bottom = figures.price(quiet).axes
    assert [label.get_text() for label in bottom.get_yticklabels()] == ["none"]
