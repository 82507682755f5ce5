# SPDX-License-Identifier: Apache-2.0
"""Whole replays over frames: the records out are those of the native wire, cycle stamps apart."""

from decimal import Decimal

import numpy as np
import pytest

from host.contract.records import InKind
from host.links.sim import SimLink
from host.replay import command
from host.replay.run import ReplayError
from host.wire import selection
from host.wire.convert import encode_capture
from host.wire.framing import Wire
from host.wire.ingress import Steps, expand
from sim.compare import compare
from tests.host.replay_helpers import replayed, slice_lines, write_capture

#: 0.1 and 0.001 in units of 1e-8: 2^7 x 5^7 and 2^5 x 5^5
SCALE = {
    "enable": 1,
    "price_exponent": 0xF8,
    "price_shift": 7,
    "price_inverse": pow(5**7, -1, 1 << 64),
    "price_bound": ((1 << 64) - 1) // 5**7,
    "qty_exponent": 0xF8,
    "qty_shift": 5,
    "qty_inverse": pow(5**5, -1, 1 << 64),
    "qty_bound": ((1 << 64) - 1) // 5**5,
}
STEPS = {0: Steps(Decimal("0.1"), Decimal("0.001"))}


class Decoding(SimLink):
    """A board in front of which frames are turned into records, as its own decoder would."""

    def __init__(self, **_):
        super().__init__()
        self.scale, self.scales = {}, {}

    def write(self, name, value):
        if name == "sbe_commit":
            self.scales[value] = dict(self.scale)
        elif name.startswith("sbe_"):
            self.scale[name.removeprefix("sbe_")] = value
        else:
            super().write(name, value)

    def transfer(self, records):
        if (records["kind"] == InKind.FRAME).any():
            assert self.scales == {0: SCALE}
        return super().transfer(expand(records, STEPS))


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("capture"), slice_lines())


@pytest.fixture
def decoding(monkeypatch):
    monkeypatch.setattr(selection, "reads_frames", lambda link: True)
    monkeypatch.setattr(command, "open_link", lambda name, **_: Decoding())


def test_a_replay_over_frames_decides_the_same(tmp_path, capture):
    encoded = tmp_path / "encoded.sbe"
    encode_capture([capture], encoded)
    native = replayed(tmp_path / "native", capture)
    assert native.summary["mismatches"]["total"] == 0 and len(native.decisions) > 10
    runs = {
        "frames": replayed(tmp_path / "frames", capture, wire=Wire.SBE),
        "encoded": replayed(tmp_path / "encoded", encoded),
        "both": replayed(tmp_path / "both", encoded, wire=Wire.SBE),
    }
    for name, other in runs.items():
        assert compare(native.outcome.run.out, other.outcome.run.out).equal, name
        assert other.summary["mismatches"]["total"] == 0, name
        assert other.bbo == native.bbo, name
        assert (other.summary["wire"]["name"] == "sbe") == (name != "encoded")
    beats = [runs[name].summary["wire"]["beats"] for name in ("frames", "both")]
    assert beats[0] == beats[1] > native.summary["wire"]["beats"]


def test_a_board_that_reads_a_frame_wrongly_shows_against_the_reference(
    tmp_path, capture, decoding, monkeypatch
):
    class Wrong(Decoding):
        def transfer(self, records):
            read = expand(records, STEPS)
            read["price_ticks"][np.flatnonzero(read["kind"] == InKind.LEVEL)[-1:]] += 1
            return SimLink.transfer(self, read)

    monkeypatch.setattr(command, "open_link", lambda name, **_: Wrong())
    run = replayed(tmp_path / "out", capture, wire=Wire.SBE)
    assert run.summary["mismatches"]["records"] > 0


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (Wire.ITCH, "--wire itch: expected packets of ITCH 5.0, was a capture of BINANCE"),
        (Wire.SBE, "--wire sbe: expected a board that reads frames"),
    ],
)
def test_a_wire_that_does_not_fit_is_named(tmp_path, capture, monkeypatch, wire, said):
    monkeypatch.setattr(command, "open_link", lambda name, **_: SimLink())
    with pytest.raises(ReplayError, match=said):
        replayed(tmp_path / "out", capture, wire=wire)
