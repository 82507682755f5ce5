# SPDX-License-Identifier: Apache-2.0
"""Frames built by scapy, and ways to break them."""

import logging

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.layers.inet import IP, UDP, IPOption  # noqa: E402
from scapy.layers.l2 import Dot1Q, Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

STATION = "02:00:00:00:00:01"
GROUP, PORT = "233.54.12.111", 26477
PADDED = 60


def build(
    payload=b"",
    *,
    dst="01:00:5e:36:0c:6f",
    group=GROUP,
    port=PORT,
    vlan=None,
    options=0,
    pad=True,
    ip=None,
    udp=None,
):
    """One frame without check sequence; `options` is in words, `ip` and `udp` override fields."""
    ip, udp = dict(ip or {}), dict(udp or {})
    if options:
        ip["options"] = [IPOption(b"\x01" * (4 * options))]
    frame = Ether(dst=dst, src="02:00:00:00:00:99")
    if vlan is not None:
        frame /= Dot1Q(vlan=vlan, prio=3)
    datagram = IP(src="10.1.2.3", dst=group, **ip)
    frame = bytes(frame / datagram / UDP(sport=4000, dport=port, **udp) / Raw(payload))
    return frame.ljust(PADDED, b"\xa5") if pad else frame


def number(address):
    """An IPv4 or MAC address as the number in a register."""
    if ":" in address:
        return int(address.replace(":", ""), 16)
    return int.from_bytes(bytes(map(int, address.split("."))), "big")
