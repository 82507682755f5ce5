# SPDX-License-Identifier: Apache-2.0
"""Batches and packets of the host against the tables of ``docs/batches.md``, byte by byte."""

import numpy as np
import pytest

from host.links.base import LinkError
from host.links.batch import PACKET_BYTES, READ, RECORDS, WRITE, Answer, header, trailer


def end(status=1, records=0, number=7, taken=3, value=0, packets=5, faults=0, kind=0xFF):
    """A trailer, put together by the table of the page."""
    text = bytes([kind, status]) + records.to_bytes(2, "little")
    text += b"".join(word.to_bytes(4, "little") for word in (number, taken, value, packets, faults))
    return text.ljust(64, b"\0")


def packet(*texts):
    return np.frombuffer(b"".join(texts), np.uint8).reshape(-1, 64)


RECORD = bytes(range(1, 65))


def test_a_header_is_that_of_the_page():
    assert header(RECORDS, 0x01020304, count=0x05060708) == bytes.fromhex(
        "01 00 0000 04030201 08070605 00000000"
    )
    assert header(READ, 9, address=0x0123) == bytes.fromhex("02 00 2301 09000000 00000000 00000000")
    assert header(WRITE, 9, address=3, value=0xA1B2C3D4) == bytes.fromhex(
        "03 00 0300 09000000 00000000 d4c3b2a1"
    )


def test_a_trailer_is_that_of_the_page():
    told = trailer(end(status=0xA, records=255, number=1, taken=2, value=3, packets=4, faults=5))
    assert told == (0xA, 255, 1, 2, 3, 4, 5)
    assert not told.done
    assert trailer(end(status=1)).done
    assert trailer(RECORD) is None
    assert PACKET_BYTES == 16384


def test_an_answer_is_the_records_of_its_packets_in_order():
    answer = Answer("test", 7, 3, 5)
    first = packet(RECORD, RECORD[::-1], end(status=0, records=2, taken=1)).copy()
    answer.add(first)
    first[:] = 0  # a buffer is used again: what was in it stays
    assert not answer.done
    answer.add(packet(RECORD, end(records=1, packets=6, value=9, faults=2)))
    assert answer.done
    assert answer.rows.tobytes() == RECORD + RECORD[::-1] + RECORD
    assert (answer.packets, answer.value, answer.faults) == (7, 9, 2)


def test_an_answer_without_records_has_no_rows():
    answer = Answer("test", 7, 3, None)
    assert answer.rows.shape == (0, 64)
    answer.add(packet(end()))
    assert answer.rows.shape == (0, 64)
    assert answer.packets == 6


def test_the_number_of_packets_wraps():
    answer = Answer("test", 7, 3, 0xFFFFFFFF)
    answer.add(packet(end(packets=0xFFFFFFFF)))
    assert answer.packets == 0


WRONG = {
    "empty": ((), "expected a packet to end with a trailer, did not"),
    "no trailer": ((RECORD,), "expected a packet to end with a trailer, did not"),
    "another kind": ((end(kind=0xFE),), "expected a packet to end with a trailer, did not"),
    "lost packet": ((end(packets=6),), "expected packet 5, was 6: out records are lost"),
    "packet again": ((end(packets=4),), "expected packet 5, was 4: out records are lost"),
    "another batch": ((end(number=8),), "expected the answer to batch 7, was that to 8"),
    "fewer records": ((end(records=1),), "expected 1 out records in a packet, was 0"),
    "more records": ((RECORD, end()), "expected 0 out records in a packet, was 1"),
    "short": ((end(status=3),), "batch 7 was shorter than its header said; the board took 3 of 3"),
    "long": ((end(status=5),), "batch 7 was longer than its header said"),
    "malformed": ((end(status=9),), "batch 7 was of no kind this board takes"),
    "short, more to come": ((end(status=2),), "made every symbol invalid"),
    "not taken": ((end(taken=2),), "expected 3 records to be taken, was 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_packet_is_one_error_that_names_it(name):
    texts, said = WRONG[name]
    answer = Answer("test", 7, 3, 5)
    with pytest.raises(LinkError) as caught:
        answer.add(packet(*texts))
    assert str(caught.value).startswith("link test: ")
    assert said in str(caught.value)
    assert not answer.done
    assert len(answer.rows) == 0


def test_a_packet_before_the_last_may_have_taken_less():
    answer = Answer("test", 7, 3, 5)
    answer.add(packet(end(status=0, taken=2)))
    assert not answer.done
