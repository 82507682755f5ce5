# SPDX-License-Identifier: Apache-2.0
"""Registers and counters of the network's blocks."""

from amaranth.lib import data

from hdl.regs.register import Access, Register

__all__ = ["COUNTERS", "DROPS", "FILTER", "FILTERS", "REGISTERS", "TX_HEADER", "pulses"]

#: Entries of a receiver's filter.
FILTERS = 8

#: One entry: a destination of datagrams, and the tag their payloads get.
FILTER = data.StructLayout({"group": 32, "port": 16, "tag": 8, "on": 1})

#: Addresses that decisions are sent with.
TX_HEADER = data.StructLayout(
    {"dst_mac": 48, "src_mac": 48, "src_ip": 32, "dst_ip": 32, "src_port": 16, "dst_port": 16}
)

#: Why a frame is not delivered, in the order in which the rules are looked at.
DROPS: tuple[tuple[str, str], ...] = (
    ("oversize", "frames longer than the build allows"),
    ("error", "frames the MAC marked as damaged, or with an impossible byte count"),
    ("runt", "frames without a byte behind their Ethernet header"),
    ("mac", "frames for another station"),
    ("type", "frames that are not IPv4"),
    ("ip_truncated", "frames that end within their IPv4 header or right behind it"),
    ("ip_header", "IPv4 headers of another version, or of an impossible length"),
    ("ip_checksum", "IPv4 headers with a wrong checksum"),
    ("fragment", "fragments of IPv4 datagrams"),
    ("protocol", "IPv4 datagrams that are not UDP"),
    ("udp_truncated", "frames that end within their UDP header"),
    ("udp_length", "UDP lengths that are not those of their IPv4 datagram"),
    ("group", "UDP datagrams whose group and port no filter names"),
    ("empty", "UDP datagrams without payload"),
    ("truncated", "frames that end before their payload does"),
)

_LINE: tuple[tuple[str, str], ...] = (
    ("packets", "packets taken, heartbeats included"),
    ("malformed", "packets that are damaged, too short, too long or whose count cannot be"),
    ("overflow", "packets for which no slot was free"),
    ("duplicates", "packets of which nothing was new"),
    ("heartbeats", "heartbeats and ends of session"),
    ("old_session", "packets of the session before"),
    ("other_session", "packets of a third session while one begins"),
)

#: Name and what is counted. A receiver's stand once for each line.
COUNTERS: tuple[tuple[str, str], ...] = (
    *(
        (f"net_{line}_{name}", f"line {line.upper()}: {doc}")
        for line in "ab"
        for name, doc in (
            ("frames", "frames from the MAC"),
            *((f"drop_{name}", doc) for name, doc in DROPS),
            ("packets", "payloads delivered"),
            ("overflow", "payloads dropped because the queue behind was full"),
        )
    ),
    *(
        (f"line_{line}_{name}", f"line {line.upper()}: {doc}")
        for line in "ab"
        for name, doc in _LINE
    ),
    ("line_given", "packets given on, trimmed ones included"),
    ("line_trimmed", "packets given on without the messages that were given before"),
    ("line_broken", "packets that could not be trimmed because their messages do not fit"),
    ("line_gaps", "gaps declared lost"),
    ("line_sessions", "sessions begun"),
    ("tx_frames", "frames of decisions sent"),
    ("tx_records", "records sent in them"),
    ("tx_discarded", "records not sent because sending is off"),
)

REGISTERS: tuple[Register, ...] = (
    Register("net_mac", 48, Access.RW, "this station's MAC address"),
    Register(
        "net_mac_check", 1, Access.RW, "1: take only frames for `net_mac` or an IPv4 group address"
    ),
    *(
        register
        for n in range(FILTERS)
        for register in (
            Register(f"net_group{n}", 32, Access.RW, f"filter {n}: destination IPv4 address"),
            Register(f"net_port{n}", 16, Access.RW, f"filter {n}: destination UDP port"),
            Register(f"net_tag{n}", 9, Access.RW, f"filter {n}: tag; bit 8: the filter is on"),
        )
    ),
    Register("line_tag", 8, Access.RW, "tag of the packets that lines A and B carry"),
    Register("line_window", 32, Access.RW, "cycles a missing packet is waited for"),
    Register(
        "line_first", 64, Access.RW, "first sequence number of a session; 0: the first one heard"
    ),
    Register("line_restart", 32, Access.WO, "any: forget the session and what is held"),
    Register("line_expected", 64, Access.RO, "sequence number that is expected next"),
    Register("line_lost", 64, Access.RO, "messages declared lost since reset"),
    Register("tx_enable", 1, Access.RW, "1: decisions are sent as UDP frames"),
    Register("tx_batch", 5, Access.RW, "most records of a frame; 0 acts as 1, above 16 as 16"),
    Register("tx_dst_mac", 48, Access.RW, "MAC address decisions are sent to"),
    Register("tx_src_ip", 32, Access.RW, "IPv4 address decisions are sent from"),
    Register("tx_dst_ip", 32, Access.RW, "IPv4 address decisions are sent to"),
    Register("tx_src_port", 16, Access.RW, "UDP port decisions are sent from"),
    Register("tx_dst_port", 16, Access.RW, "UDP port decisions are sent to"),
)


def pulses(*names: str) -> data.StructLayout:
    """One pulse per counter of a block.

    Raises
    ------
    ValueError
        No counter of `COUNTERS` has such a name; a receiver's are named without ``net_a_``.
    """
    known = {name for name, _ in COUNTERS}
    known |= {name.removeprefix("net_a_") for name in known if name.startswith("net_a_")}
    known |= {name.removeprefix("line_a_") for name in known if name.startswith("line_a_")}
    if unknown := set(names) - known:
        raise ValueError(f"counters: expected names of hdl.net.registers, was {sorted(unknown)}")
    return data.StructLayout({name: 1 for name in names})
