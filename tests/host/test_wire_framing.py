# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.contract.records import IN_DTYPE, Protocol
from host.wire.framing import (
    LONGEST_FRAME_BYTES,
    Carried,
    FrameSize,
    FramingError,
    frame_words,
    split,
    start_words,
)


def beats(words):
    return np.array(words, "<u8").view(IN_DTYPE)


RECORDS = beats([4 | 5 << 16, 1000, 5 | 8 << 8 | 5 << 16, 77])


def test_a_frame_is_a_record_with_its_length_and_then_its_bytes():
    payload = bytes(range(1, 20))
    sent = beats(frame_words(payload, 5, Protocol.SBE)).tobytes()
    assert sent[:8] == bytes([14, 0, 5, 1, 0, 0, 0, 0])
    assert sent[8:16] == bytes([19, 0, 0, 0, 0, 0, 0, 0])
    assert sent[16:] == payload + bytes(13)
    held = beats(frame_words(payload, 5, Protocol.MOLDUDP64, hold=True)).tobytes()
    assert held[:8] == bytes([14, 0x40, 5, 2, 0, 0, 0, 0])


@pytest.mark.parametrize(("size", "count"), [(1, 2), (15, 2), (16, 2), (17, 3), (32, 3)])
def test_a_frame_takes_a_beat_for_every_sixteen_bytes_and_one_more(size, count):
    assert len(beats(frame_words(bytes(size), 0, Protocol.SBE))) == count


CARRIED = st.builds(
    Carried,
    # bytes that look like records of frames as well
    st.lists(st.sampled_from([b"\x0e" + bytes(15), b"\x0e", bytes(16), b"x" * 7]), min_size=1).map(
        b"".join
    ),
    st.integers(0, 255),
    st.sampled_from((Protocol.SBE, Protocol.MOLDUDP64)),
    st.booleans(),
)


@given(st.lists(st.one_of(CARRIED, st.just(None)), max_size=12))
def test_what_was_put_in_comes_out_in_order(parts):
    words, expected, run = [], [], 0
    for part in parts:
        if part is None:
            words += np.frombuffer(RECORDS.tobytes(), "<u8").tolist()
            run += 1
        else:
            words += frame_words(*part)
            expected += [run] * bool(run) + [part]
            run = 0
    expected += [run] * bool(run)
    found = [
        part if isinstance(part, Carried) else len(part) // len(RECORDS)
        for part in split(beats(words))
    ]
    assert found == expected


@pytest.mark.parametrize("size", [0, LONGEST_FRAME_BYTES + 1])
def test_a_frame_of_no_or_too_many_bytes_is_refused(size):
    with pytest.raises(FrameSize, match=f"was {size}"):
        frame_words(bytes(size), 0, Protocol.SBE)
    words = frame_words(b"x", 0, Protocol.SBE)
    words[1] = size
    with pytest.raises(FrameSize, match=f"beat 0: .* was {size}"):
        list(split(beats(words)))


@pytest.mark.parametrize(
    ("word", "value", "said"),
    [
        (0, 14 | 0x01 << 8 | 1 << 24, "expected flags"),
        (0, 14 | 0xC0 << 8 | 1 << 24, "expected flags"),
        (0, 14 | 1 << 24 | 1 << 32, "expected flags"),
        (0, 14 | 7 << 24, "expected flags"),
        (1, 40, "expected 4 beats"),
        (5, 1, "expected zeros"),
    ],
)
def test_beats_that_are_no_frame_are_refused(word, value, said):
    words = frame_words(bytes(20), 0, Protocol.SBE)
    words[word] = value
    with pytest.raises(FramingError, match=said):
        list(split(beats(words)))


def test_an_update_id_to_begin_after_is_one_record():
    sent = beats(start_words(77, 5, Protocol.SBE))
    assert sent.tobytes() == bytes([14, 0x80, 5, 1, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0])
    (records,) = split(sent)
    assert records.tobytes() == sent.tobytes()


def test_a_symbol_or_id_that_does_not_fit_is_refused():
    with pytest.raises(FramingError, match="was 256"):
        frame_words(b"x", 256, Protocol.SBE)
    with pytest.raises(FramingError, match="was -1"):
        start_words(77, -1, Protocol.SBE)
    with pytest.raises(FramingError, match="below 2\\^63"):
        start_words(1 << 63, 5, Protocol.SBE)
