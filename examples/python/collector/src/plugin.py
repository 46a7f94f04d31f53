"""Reports the load averages of the host, from /proc/loadavg."""

from dataclasses import dataclass

import saker
from saker import Run, Sample, gauge, setting, text


class SmallestCollector(saker.Collector):
    description = saker.Description(
        name="smallest-collector",
        version="0.1.0",
        summary="Three load averages",
        requests={saker.read("/proc"): "the averages are in /proc/loadavg"},
    )

    @dataclass
    class Settings:
        """The agent checks the settings against this before it opens an instance."""

        proc: str = setting("/proc", doc="The proc file system.")

    def __init__(self, settings: Settings):
        self.path = f"{settings.proc}/loadavg"

    def collect(self, run: Run) -> list[Sample]:
        return values(text.read(self.path), self.path)


def values(loadavg: str, path: str) -> list[Sample]:
    """The file begins with averages over one, five and fifteen minutes. What reads no files needs none to be tested."""
    words = loadavg.split()
    if len(words) < 3:
        raise saker.Malformed(path, f"three averages, found {loadavg!r}")
    one, five, fifteen = (text.number(word, path) for word in words[:3])
    return [gauge("load.one", one), gauge("load.five", five), gauge("load.fifteen", fifteen)]
