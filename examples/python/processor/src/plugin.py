"""Says in which rack a host stands, and drops metrics by their beginning."""

from dataclasses import dataclass

import saker
from saker import DROP, Series, setting


class SmallestProcessor(saker.Processor):
    description = saker.Description(
        name="smallest-processor",
        version="0.1.0",
        summary="Tags every series with the host's rack",
    )

    @dataclass
    class Settings:
        """The agent checks the settings against this before it opens an instance."""

        rack: str = setting(doc="The rack. Has no default: the operator must say it.")
        drop: list[str] = setting([], doc="How the names of metrics begin that nobody wants.")

    def __init__(self, settings: Settings):
        if not settings.rack:
            raise saker.SettingsError("rack: empty; write the rack's name")
        self.rack = settings.rack
        self.drop = tuple(settings.drop)

    def map_series(self, series: Series):
        if series.metric.startswith(self.drop):
            return DROP
        series.tags["rack"] = self.rack
        return series
