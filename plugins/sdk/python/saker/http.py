"""HTTP to granted addresses, through the agent: it pools connections, speaks TLS and checks the grant.

A server that is silent is `Unavailable` shortly before the agent would end the call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import host
from .errors import Reject, Retry, SettingsError

_NOT_IN_URLS = re.compile(r"[^!-~]|#")
_URL = re.compile(r"(https?)://([^/?]*)(.*)")
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(.*))?")

# Answers that mean that the same bytes will never be taken. Everything else is worth another try, a missing password
# or database included, because an operator can mend that and lose nothing.
_NEVER = (400, 409, 413, 415, 422)
# How much of a server's words is shown, in characters.
_REASON_MAX = 1000


@dataclass(frozen=True)
class Response:
    """What a server answered. `retry_after_s` is what `Retry-After` said, in seconds."""

    status: int
    body: bytes = b""
    retry_after_s: int | None = None

    @property
    def text(self) -> str:
        """The body as text. What is not UTF-8 in it reads as U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def written(self) -> None:
        """What the answer means for the points that were sent: returns if the server has taken them.

        Raises `Reject` for 400, 409, 413, 415 and 422, and `Retry` for all else but 2xx, with the server's words.
        """
        if 200 <= self.status <= 299:
            return
        message = f"{self.status} {self.text.strip()[:_REASON_MAX]}".rstrip()
        if self.status in _NEVER:
            raise Reject(message)
        raise Retry(message, None if self.retry_after_s is None else self.retry_after_s * 1000)


@dataclass(frozen=True)
class Target:
    """Where requests go: a parsed `http://` or `https://` address, or a Unix socket.

    `path` begins with `/` and holds the query too.
    """

    tls: bool
    authority: str
    path: str
    socket: str | None = None

    @classmethod
    def unix(cls, socket: str, path: str) -> Target:
        """What a server serves over a Unix socket, at a path that begins with `/`. Needs the permission `unix`."""
        return cls(False, socket.encode().hex(), path, socket)

    @classmethod
    def parse(cls, url: str, setting: str = "url") -> Target:
        """Parses an address such as `http://127.0.0.1:8086/write?db=metrics`, which stands in a setting.

        Raises `SettingsError`, saying what is wrong with it. What stands in an address may be a secret: the message
        does not repeat it.
        """
        found = _URL.fullmatch(url)
        if _NOT_IN_URLS.search(url):
            wrong = "a character that must be percent-encoded"
        elif not found:
            wrong = "neither http:// nor https://"
        elif not (wrong := _unusable(found[2])):
            path = found[3] if found[3].startswith("/") else f"/{found[3]}"
            return cls(found[1] == "https", found[2], path)
        raise SettingsError(f"{setting}: {wrong}; write http://host:port/path")

    @property
    def address(self) -> str:
        """`host:port`, with the scheme's port where none is written: what a grant names; of a Unix socket, its path."""
        if self.socket is not None:
            return self.socket
        name, port = _AUTHORITY.fullmatch(self.authority).groups()
        return f"{name}:{port or (443 if self.tls else 80)}"

    def get(self, headers: Mapping[str, str] = {}) -> Response:
        """Asks for what is there and waits for the whole answer.

        Raises `Denied` if the address is not granted, `Unavailable` if there was no answer or not all of it.
        """
        return host._host.send(self, "GET", headers, b"")

    def post(self, body: bytes, headers: Mapping[str, str] = {}) -> Response:
        """Posts `body` and waits for the whole answer.

        Raises `Denied` if the address is not granted, `Unavailable` if there was no answer or not all of it.
        """
        return host._host.send(self, "POST", headers, body)


def _unusable(authority: str) -> str | None:
    """What is wrong with `host` or `host:port`, if anything is."""
    if "@" in authority:
        return "a user name"
    # The colons of an IPv6 address stand in brackets.
    found = _AUTHORITY.fullmatch(authority)
    if not found or (found[2] and ":" in found[2]):
        return "an IPv6 address without brackets"
    name, port = found.groups()
    if not name:
        return "no host"
    if port is not None and not (port.isdecimal() and 0 < int(port) < 65536):
        return "no valid port"
    return None
