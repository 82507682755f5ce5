# SPDX-License-Identifier: Apache-2.0
"""The stamps of the latency benchmark, on bytes and on a connection of their own."""

import asyncio

import numpy as np
import pytest

from sim.bench_run import BenchError, latencies, linked_ns
from sim.stamps import Moment, StampedLoop, Stamps, frame_moments, order_moments


def text_frame(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes([0x81, size]) if size < 126 else bytes([0x81, 126]) + size.to_bytes(2, "big")
    return head + payload


def test_a_frame_is_there_when_its_last_byte_is() -> None:
    stamps = Stamps()
    short = text_frame(b'{"e":"depthUpdate","u":5}')
    long = text_frame(b'{"stream":"x","data":{"e":"depthUpdate","u":6,"x":"' + b"y" * 300 + b'"}}')
    data = b"HTTP/1.1 101 Switching\r\n\r\n" + short + long + text_frame(b'{"e":"trade","u":7}')
    cut = len(data) - 100
    for number, part in enumerate((data[:30], data[30:cut], data[cut:])):
        stamps.received.append((Moment(number, number), part))
    found = frame_moments([stamps, Stamps()])
    assert {u: moment.wall_ns for u, moment in found.items()} == {5: 1, 6: 2}


def test_an_order_begins_with_its_first_byte() -> None:
    stamps = Stamps()
    parts = [
        b"GET /fapi/v1/time HTTP/1.1\r\n\r\n",
        b"POST /fapi/v1/order HTTP/1.1\r\nContent-Length: 40\r\n\r\n",
        b"symbol=X&newClientOrderId=one&side=BUY",
        b"POST /fapi/v1/order HTTP/1.1\r\n\r\nnewClientOrderId=two&x=1",
    ]
    for number, part in enumerate(parts):
        stamps.sent.append((Moment(number, number), part))
    assert {k: m.wall_ns for k, m in order_moments([stamps]).items()} == {"one": 1, "two": 3}


def test_a_loop_stamps_what_its_connections_read_and_write() -> None:
    loop = StampedLoop()

    async def test() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(4))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"ping")
        assert await reader.read() == b"ping"
        writer.close()
        server.close()

    loop.run_until_complete(test())
    loop.close()
    sent = [part for stamps in loop.sockets for _, part in stamps.sent]
    received = [part for stamps in loop.sockets for _, part in stamps.received]
    assert sent == [b"ping", b"ping"]
    assert b"".join(received) == b"pingping"
    for stamps in loop.sockets:
        for moments in (stamps.sent, stamps.received):
            assert all(moment.wall_ns > 0 and moment.cpu_ns > 0 for moment, _ in moments)


def test_the_link_is_taken_off_its_own_orders() -> None:
    rows = [(1000 * n, 500 * n, 100 * n, 90 * n) for n in range(1, 1001)]
    found = latencies({"rows": rows, "told": 1000, "sent": 1000, "frames": 5})
    walls = np.array([row[0] - row[2] for row in rows])
    assert found["wall, link excluded"][0] == round(float(np.percentile(walls, 50)) / 1000, 1)
    assert found["processor time, link excluded"][0] == round(410 * 500.5 / 1000, 1)
    assert found["wall, link included"][1] == round(
        float(np.percentile([r[0] for r in rows], 99)) / 1000, 1
    )
    with pytest.raises(BenchError, match="expected orders"):
        latencies({"rows": [], "told": 0, "sent": 0, "frames": 0})


def test_time_of_the_link_counts_where_it_lies_between_frame_and_order() -> None:
    spans = [(0, 10), (20, 30), (40, 60), (90, 95)]
    assert linked_ns(spans, 25, 50) == 5 + 10
    assert linked_ns(spans, 0, 100) == 10 + 10 + 20 + 5
    assert linked_ns(spans, 60, 90) == linked_ns([], 0, 100) == 0
