# SPDX-License-Identifier: Apache-2.0
"""API keys and signatures: HMAC-SHA256, Ed25519 and RSA (PKCS #1 v1.5, SHA-256).

What is signed is the query string and the body as they were sent, joined without anything
between them, without the parameter `signature`. On the WebSocket API it is the parameters in
alphabetical order.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from host.paper.errors import refusal

__all__ = ["ApiKey", "Keys", "split_signature"]

_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")
_KEY_FORMAT = re.compile(r"[A-Za-z0-9_-]{8,128}")
_MOST_WINDOW_MS = 60_000
_FUTURE_MS = 1000


@dataclass(frozen=True)
class ApiKey:
    """A key of the paper venue.

    Attributes
    ----------
    key : str
        Name of the key.
    secret : str
        Shared secret (HMAC), or a public key in PEM (Ed25519, RSA).
    trade : bool
        Orders are allowed.
    withdraw : bool
        What the venue says of withdrawals; there are none here.
    """

    key: str
    secret: str
    trade: bool = True
    withdraw: bool = False

    def __repr__(self) -> str:
        return f"ApiKey({self.key[:4]}..., trade={self.trade}, withdraw={self.withdraw})"

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether a signature is that of a payload."""
        if "BEGIN PUBLIC KEY" not in self.secret:
            made = hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(made, signature.lower())
        try:
            public = load_pem_public_key(self.secret.encode())
            given = base64.b64decode(signature, validate=True)
            if isinstance(public, Ed25519PublicKey):
                public.verify(given, payload)
            elif isinstance(public, RSAPublicKey):
                public.verify(given, payload, padding.PKCS1v15(), hashes.SHA256())
            else:
                return False
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
            return False
        return True


def split_signature(text: str) -> tuple[str, str | None]:
    """Take the parameter `signature` out of a query string or form.

    Returns
    -------
    str, str or None
        The rest as it was sent, and the signature, unquoted.
    """
    found = _SIGNATURE.search(text)
    if found is None:
        return text, None
    rest = text[: found.start()] + text[found.end() :]
    return rest.removeprefix("&") if not found.start() else rest, unquote(found[1])


class Keys:
    """The keys, and the checks of a signed request.

    Parameters
    ----------
    keys : list of ApiKey
        Keys that are known.
    """

    def __init__(self, keys: list[ApiKey]) -> None:
        self._keys = {key.key: key for key in keys}

    def find(self, name: str | None) -> ApiKey:
        """Key by name.

        Raises
        ------
        VenueError
            -2014, -2015.
        """
        if not name or not _KEY_FORMAT.fullmatch(name):
            raise refusal("key_format")
        if name not in self._keys:
            raise refusal("key")
        return self._keys[name]

    def check_time(self, timestamp: str | None, window: str | None, now_ms: int) -> None:
        """Refuse a request that is too old or from the future.

        Raises
        ------
        VenueError
            -1102, -1131, -1021.
        """
        if timestamp is None or not timestamp.isdigit():
            raise refusal("missing", name="timestamp")
        text = "5000" if window is None or window == "" else window
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text):
            raise refusal("missing", name="recvWindow")
        if float(text) > _MOST_WINDOW_MS:
            raise refusal("recv_window")
        sent_ms = int(timestamp)
        if sent_ms > 100_000_000_000_000:  # microseconds are allowed
            sent_ms //= 1000
        if sent_ms >= now_ms + _FUTURE_MS:
            raise refusal("clock_ahead")
        if now_ms - sent_ms > float(text):
            raise refusal("clock")

    def check_signature(self, key: ApiKey, payload: bytes, signature: str | None) -> None:
        """Refuse a wrong signature.

        Raises
        ------
        VenueError
            -1102, -1022.
        """
        if not signature:
            raise refusal("missing", name="signature")
        if not key.verify(payload, signature):
            raise refusal("signature")
