"""Posts points as lines of endpoint, metric, tags, time and value."""

from dataclasses import dataclass

import saker
from saker import Point, Series, setting
from saker.http import Target


class SmallestBackend(saker.Backend):
    description = saker.Description(
        name="smallest-backend",
        version="0.1.0",
        summary="Posts points as lines of text",
        requests={saker.connect("<host:port of url>"): "the points are posted there"},
    )

    @dataclass
    class Settings:
        """The agent checks the settings against this before it opens an instance."""

        url: str = setting(doc="Where to post: http://host:port/path.")

    def __init__(self, settings: Settings):
        self.target = Target.parse(settings.url)
        # How the lines of each series begin, by its handle.
        self.heads: dict[int, str] = {}

    def define(self, handle: int, series: Series):
        tags = ";".join(f"{key}={value}" for key, value in series.tags.items())
        self.heads[handle] = f"{series.endpoint},{series.metric},{tags}"

    def write(self, points: list[Point]):
        lines = [f"{self.heads[point.series]},{point.timestamp_ms},{point.value}\n" for point in points]
        # Retry or Reject, by what the server answers.
        self.target.post("".join(lines).encode(), {"content-type": "text/csv"}).written()

    def forget(self, handle: int):
        self.heads.pop(handle, None)
