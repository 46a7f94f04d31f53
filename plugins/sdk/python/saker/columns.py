"""Values in columns, for a collector that brings hundreds of values of the same series at every run.

    def collect(self, run):
        for name, size in self.sizes():
            if name not in self.handles:
                self.handles[name] = self.columns.define(gauge("file.bytes", 0, {"file": name}))
            self.columns.add(self.handles[name], size)
        return self.columns

A series' name and tags cross to the agent once; a value of it costs 20 bytes and no text ever after.
"""

from __future__ import annotations

from .values import Sample


class Columns:
    """The series that a collector has defined, and the values of the run under way."""

    def __init__(self) -> None:
        self._define: dict[int, Sample] = {}
        self._forget: list[int] = []
        # Handles that stand for nothing, to be given again from the next run on.
        self._free: list[int] = []
        self._known: set[int] = set()
        self._next = 0
        self._begin()

    def define(self, series: Sample) -> int:
        """Gives the series of this value a handle. What the value is, and of when, does not matter."""
        if self._free:
            handle = self._free.pop()
        else:
            handle = self._next
            self._next += 1
        self._known.add(handle)
        self._define[handle] = series
        return handle

    def forget(self, handle: int) -> None:
        """Takes a handle back: of a container that has gone, for one. Its values of this run go as well."""
        if handle not in self._known:
            return
        self._known.remove(handle)
        self._points = [point for point in self._points if point[0] != handle]
        self._define.pop(handle, None)
        self._forget.append(handle)

    def add(self, handle: int, value: float, timestamp_ms: int | None = None) -> None:
        """Adds a value: of the run's own time, or of another, in milliseconds since 1970-01-01 UTC."""
        self._points.append((handle, float(value), timestamp_ms))

    def points(self) -> list[tuple[int, float, int | None]]:
        """The values of the run: handle, value, and time if it is not the run's own. For tests."""
        return list(self._points)

    def _begin(self) -> None:
        """Begins a run. Values of one that has failed are gone; what was defined is yet to be handed over."""
        self._points: list[tuple[int, float, int | None]] = []

    def _taken(self) -> None:
        """What was defined and forgotten so far has been handed over."""
        self._free += self._forget
        self._define, self._forget = {}, []
