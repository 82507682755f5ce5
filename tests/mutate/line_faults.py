# SPDX-License-Identifier: Apache-2.0
"""Faults of the network: the receiver, whole payloads, and lines A and B."""

from tests.mutate.fault import Fault

__all__ = ["LINE_FAULTS"]

IPV4, UDP, PACKETS = "hdl/net/ipv4.py", "hdl/net/udp.py", "hdl/net/packets.py"
ARBITER, SESSIONS, LINE = "hdl/net/arbiter.py", "hdl/net/sessions.py", "hdl/net/line.py"
GIVE = "hdl/net/give.py"

_RECEIVE = "tests/unit/test_net_receive.py::test_"
_LINES = "tests/unit/test_net_arbiter.py::test_"
BROKEN = f"{_RECEIVE}a_broken_frame_is_counted_once_and_harms_no_neighbour"
MODEL = f"{_LINES}lines_that_lose_repeat_and_shuffle_give_what_the_model_gives[0]"

LINE_FAULTS: tuple[Fault, ...] = (
    Fault(
        "net_checksum_without_carry",
        "the carries of a header's checksum are not added",
        IPV4,
        "m.d.sync += folded.eq(total_sum[:16] + total_sum[16:])",
        "m.d.sync += folded.eq(total_sum[:16])",
        f"{_RECEIVE}a_datagram_of_scapy_is_delivered_without_padding",
    ),
    Fault(
        "net_last_fragment",
        "the last fragment of a datagram is taken for a datagram",
        IPV4,
        "fragment.eq((big_endian(word, 6, 2) & 0x3FFF) != 0),",
        "fragment.eq((big_endian(word, 6, 2) & 0x2000) != 0),",
        f"{BROKEN}[fragment, last-False]",
    ),
    Fault(
        "net_udp_length_up_to",
        "a UDP length below the datagram's is taken",
        UDP,
        "(claimed != verdict.bytes) | (claimed[3:] == 0),",
        "(claimed > verdict.bytes) | (claimed[3:] == 0),",
        f"{BROKEN}[udp_length, shorter-False]",
    ),
    Fault(
        "net_cut_is_whole",
        "a payload that lacks its last byte ends without a mark",
        UDP,
        "out.error.eq(beat.last & (beat.error | short)),",
        "out.error.eq(beat.last & beat.error),",
        f"{BROKEN}[truncated, one byte missing-False]",
    ),
    Fault(
        "net_damage_untold",
        "a damaged payload leaves without a trace",
        PACKETS,
        "with m.If(~known.any()):",
        "with m.If(~known.any() & full):",
        "tests/unit/test_net_packets.py::test_a_damaged_payload_leaves_one_beat_in_its_place",
    ),
    Fault(
        "line_twice",
        "a packet all of which was given is given again",
        ARBITER,
        "useful.eq(valid & known & ~ahead & ~spent & ~taken),",
        "useful.eq(valid & known & ~ahead & ~taken),",
        f"{_LINES}the_first_copy_wins_and_the_second_is_dropped",
    ),
    Fault(
        "line_old_verdict",
        "a packet is judged by the number expected before",
        ARBITER,
        "known.eq(Mux(expects | joining | forget, 0, valid & ~later)),",
        "known.eq(Mux(joining | forget, 0, valid & ~later)),",
        MODEL,
    ),
    Fault(
        "line_untrimmed",
        "of a packet that overlaps the messages before leave as well",
        ARBITER,
        "job.skip.eq((expected - chosen.first)[:16]),",
        "job.skip.eq(0),",
        f"{_LINES}a_packet_that_overlaps_what_was_given_leaves_without_those_messages",
    ),
    Fault(
        "line_lost_to_any",
        "a gap is declared up to whatever packet is looked at last",
        ARBITER,
        "with m.If(seen_held & (~found | (seen < least))):",
        "with m.If(seen_held):",
        MODEL,
    ),
    Fault(
        "line_session_returns",
        "a line that lags brings the session before back",
        SESSIONS,
        "is_before.eq(before_known & (chosen.session == before)),",
        "is_before.eq(0),",
        f"{_LINES}another_session_begins_when_the_first_is_done_and_never_comes_back",
    ),
    Fault(
        "line_damaged_taken",
        "a damaged packet counts as here",
        LINE,
        "damaged.eq(beat.error | long),",
        "damaged.eq(long),",
        f"{_LINES}a_malformed_packet_is_counted_and_nothing_of_it_leaves[damaged]",
    ),
    Fault(
        "line_walks_past",
        "a length that leaves no room for the messages behind is believed",
        GIVE,
        "with m.If(beyond > limit):",
        "with m.If(beyond > job.bytes):",
        f"{_LINES}a_packet_that_cannot_be_walked_is_declared_lost[\\x00\\x08]",
    ),
)
