# SPDX-License-Identifier: Apache-2.0
"""Open lines: one request each, answers of every shape, and garbage that is named."""

import asyncio

import pytest

from host.venues.lines import LineError, OrderLines, _parsed
from tests.paper.rest import run

ANSWERS = {
    "length": b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'3\r\n{"a\r\n4;x=1\r\n":1}\r\n0\r\n\r\n',
}


@pytest.mark.parametrize("name", list(ANSWERS))
def test_an_answer_is_whole_or_not_there(name: str) -> None:
    whole = ANSWERS[name]
    for cut in range(len(whole)):
        assert _parsed(whole[:cut]) == (None, 0)
    answer, used = _parsed(whole + b"HTTP")
    assert answer is not None
    assert (answer.status, answer.body, used) == (200, b'{"a":1}', len(whole))


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_answer_is_named(text: bytes) -> None:
    with pytest.raises(LineError, match="expected"):
        _parsed(text)


def test_a_line_carries_one_request_and_says_when_it_is_lost() -> None:
    async def test() -> None:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head + await reader.read(3))
            if len(asked) == 1:
                writer.write(ANSWERS["length"])
                await reader.read(1)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        lines = OrderLines(f"http://127.0.0.1:{port}/order", {"X-Key": "k"}, count=1)
        assert lines.send(b"a=1") is None  # nothing is open yet, and nothing was sent
        await lines.open()
        sent = lines.send(b"a=1")
        assert sent is not None
        assert lines.send(b"a=2") is None  # the only line is taken
        assert (await sent[1]).body == b'{"a":1}'
        assert asked[0].startswith(b"POST /order HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"\r\nX-Key: k\r\nContent-Length: 3\r\n\r\na=1" in asked[0]
        sent = lines.send(b"a=3")
        assert sent is not None
        with pytest.raises(LineError, match="end of the line"):
            await sent[1]
        await lines.close()
        server.close()

    run(test)
