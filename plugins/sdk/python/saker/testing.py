"""The agent, as a plugin's own tests see it: `host` stands in for it outside Wasm.

    from saker.testing import host

    class Tests(unittest.TestCase):
        def setUp(self):
            host.reset()

        def test_a_busy_server_is_tried_again(self):
            host.answers.append(Response(429, retry_after_s=3))
            …
            self.assertEqual(host.requests[0].body, b"…")
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import http
from .errors import Unavailable

if TYPE_CHECKING:
    from .host import Usage


@dataclass
class Request:
    """A request that a plugin has sent."""

    method: str
    target: http.Target
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeHost:
    """What a plugin has done, and what it will be told."""

    logged: list[tuple[str, str]] = field(default_factory=list)
    """Levels and lines."""
    state: bytes | None = None
    """What was saved last; set it to what a predecessor has left."""
    usages: dict[str, Usage] = field(default_factory=dict)
    """What `filesystem_usage` answers, by path."""
    custom_metrics: dict[str, float] = field(default_factory=dict)
    """Counters and gauges of the plugin's own."""
    answers: deque[http.Response | Exception] = field(default_factory=deque)
    """Answers to the next requests, or exceptions that they raise. Without one, a request is answered 204."""
    requests: list[Request] = field(default_factory=list)
    """Requests that were sent."""

    def reset(self) -> None:
        """Forgets everything, as at the very first start."""
        vars(self).update(vars(FakeHost()))

    def log(self, level: str, message: str) -> None:
        self.logged.append((level, message))

    def load_state(self) -> bytes | None:
        return self.state

    def save_state(self, data: bytes) -> None:
        self.state = bytes(data)

    def filesystem_usage(self, path: str) -> Usage:
        if path not in self.usages:
            raise Unavailable(f"{path}: no such file or directory")
        return self.usages[path]

    def counter_add(self, name: str, amount: float) -> None:
        self.custom_metrics[name] = self.custom_metrics.get(name, 0) + amount

    def gauge_set(self, name: str, value: float) -> None:
        self.custom_metrics[name] = value

    def is_granted(self, path: str) -> bool:
        return True

    def send(self, target: http.Target, method: str, headers: Mapping[str, str], body: bytes) -> http.Response:
        self.requests.append(Request(method, target, dict(headers), bytes(body)))
        answer = self.answers.popleft() if self.answers else http.Response(204)
        if isinstance(answer, Exception):
            raise answer
        return answer


host = FakeHost()
"""The agent of this process."""
