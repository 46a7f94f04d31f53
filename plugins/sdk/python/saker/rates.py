"""Counters as rates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from .plugin import Run

K = TypeVar("K", bound=Hashable)


class Rates:
    """Remembers the last reading of counters, and its time."""

    def __init__(self) -> None:
        self._last: Mapping = {}
        self._at_ms = 0

    def per_second(self, run: Run, counters: Mapping[K, float]) -> dict[K, float]:
        """By how much each counter has grown per second since the run before.

        A counter that is new, or has gone back because its source started again, has no rate this time.
        """
        elapsed_s = (run.timestamp_ms - self._at_ms) / 1000
        last, self._last, self._at_ms = self._last, dict(counters), run.timestamp_ms
        if elapsed_s <= 0:
            return {}
        grown = {key: now - last[key] for key, now in counters.items() if key in last}
        return {key: by / elapsed_s for key, by in grown.items() if by >= 0}
