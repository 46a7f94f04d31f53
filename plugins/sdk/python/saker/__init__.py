"""What the author of a saker plugin in Python needs: one class with a description, its settings, and one method.

    from dataclasses import dataclass

    import saker
    from saker import gauge, setting, text


    class Entropy(saker.Collector):
        description = saker.Description(
            "entropy", "0.1.0", "Bits in the kernel's entropy pool",
            requests={saker.read("/proc"): "the figure is in /proc/sys/kernel/random"},
        )

        @dataclass
        class Settings:
            proc: str = setting("/proc", doc="The proc file system.")

        def collect(self, run):
            path = f"{self.settings.proc}/sys/kernel/random/entropy_avail"
            return [gauge("kernel.entropy.bits", text.number(text.read(path), path))]

`build.py`, in the folder above this package, makes a component of it. All of this also runs natively, so a plugin is
tested with plain `python3 -m unittest`: outside Wasm the module `saker.testing` stands in for the agent.

A plugin's modules are imported when it is built, and kept as they are then. So import at the top of a module, where
the build sees it, and read files and clocks in methods.
"""

from . import host, http, log, text
from .columns import Columns
from .description import (
    Description,
    Permission,
    connect,
    env,
    data_dir,
    read,
    secret,
    stdout,
    unix,
    statfs,
    write,
)
from .errors import Broken, Denied, Malformed, Reject, Retry, SettingsError, Unavailable
from .plugin import DROP, Backend, Collector, Point, Processor, Run, Series
from .rates import Rates
from .settings import setting
from .values import MetricType, Sample, counter, derive, gauge

__all__ = [
    "Backend",
    "Broken",
    "Collector",
    "Columns",
    "DROP",
    "Denied",
    "Description",
    "Malformed",
    "MetricType",
    "Permission",
    "Point",
    "Processor",
    "Rates",
    "Reject",
    "Retry",
    "Run",
    "Sample",
    "Series",
    "SettingsError",
    "Unavailable",
    "connect",
    "counter",
    "data_dir",
    "derive",
    "env",
    "gauge",
    "host",
    "http",
    "log",
    "read",
    "secret",
    "setting",
    "statfs",
    "stdout",
    "text",
    "unix",
    "write",
]
