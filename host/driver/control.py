# SPDX-License-Identifier: Apache-2.0
"""A running session is asked and told over a socket in its folder: one JSON line each way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from host.links.base import LinkError

__all__ = ["COMMANDS", "Control", "ControlError", "ask"]

#: What a session can be told.
COMMANDS = ("status", "pause", "resume", "rearm", "kill", "stop")
_MOST_BYTES = 1 << 16
_MOST_PATH = 100


class ControlError(Exception):
    """There is no session, or it does not answer."""


class Control:
    """Serves the socket; only its owner may use it.

    Parameters
    ----------
    folder : Path
        The session's folder.
    handlers : mapping
        What each of `COMMANDS` does; the result is the answer.
    """

    def __init__(self, folder: Path, handlers: Mapping[str, Callable[[], Any]]) -> None:
        self._path = _socket(folder)
        self._handlers = handlers
        self._server: asyncio.AbstractServer | None = None

    async def __aenter__(self) -> Control:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        os.chmod(self._path, 0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            line = await reader.readline()
            writer.write(orjson.dumps(await self._answer(line), default=str) + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            command = orjson.loads(line)["command"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return {"error": "expected an object with a command, was something else"}
        handler = self._handlers.get(command) if isinstance(command, str) else None
        if handler is None:
            return {"error": f"expected one of {', '.join(self._handlers)}, was {command!r}"}
        try:
            found = handler()
            if asyncio.iscoroutine(found):
                found = await found
        except LinkError as error:
            return {"error": f"{command}: {error}"}
        return {"ok": found}


def ask(folder: Path, command: str, timeout_s: float = 30.0) -> Any:
    """Tell a running session something and return what it answers.

    Raises
    ------
    ControlError
        There is none, or it does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(timeout_s)
            line.connect(str(_socket(folder)))
            line.sendall(orjson.dumps({"command": command}) + b"\n")
            text = b""
            while not text.endswith(b"\n") and len(text) < _MOST_BYTES:
                part = line.recv(4096)
                if not part:
                    break
                text += part
        found = orjson.loads(text)
    except (OSError, ValueError) as error:
        raise ControlError(
            f"{folder}: expected a running session, was none ({type(error).__name__})"
        ) from None
    if "error" in found:
        raise ControlError(str(found["error"]))
    return found["ok"]


def _socket(folder: Path) -> Path:
    path = folder.resolve() / "control.sock"
    if len(os.fsencode(path)) < _MOST_PATH:
        return path
    # the system takes no longer names for a socket
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
    return Path(tempfile.gettempdir()) / f"tickgate-{os.getuid()}-{name}.sock"
