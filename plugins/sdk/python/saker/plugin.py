"""The three kinds of plugins. A plugin is a subclass of one of them; `build.py` finds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from .columns import Columns
from .description import Description
from .values import MetricType, Sample


@dataclass
class Run:
    """Why a collector is asked: the time that the values are for, and the interval between runs, in milliseconds."""

    timestamp_ms: int
    interval_ms: int


@dataclass
class Series:
    """A series: endpoint, metric and tags identify it; type and `step_s`, in seconds, are what was said last."""

    endpoint: str
    metric: str
    tags: dict[str, str]
    metric_type: MetricType
    step_s: int


@dataclass
class Point:
    """One finite value of a series, which its handle names. The time is in milliseconds since 1970-01-01 UTC."""

    series: int
    timestamp_ms: int
    value: float


class Plugin(ABC):
    """What all kinds have in common.

    `description` says what the plugin is; `Settings` is a dataclass (see `saker.settings`), or left out.
    """

    description: ClassVar[Description]

    @dataclass
    class Settings:
        pass

    def __init__(self, settings: Any):
        """Makes an instance. The destination of a backend need not be there yet.

        Raise `SettingsError` or `Denied`; any other exception is shown to the operator with its text.
        """
        self.settings = settings

    def close(self) -> None:
        """The last call of an instance that ends in order."""


class Collector(Plugin):
    """A plugin that measures."""

    _columns: Columns | None = None

    @property
    def columns(self) -> Columns:
        """For a collector that answers in columns: `saker.columns` says how."""
        if self._columns is None:
            self._columns = Columns()
        return self._columns

    @abstractmethod
    def collect(self, run: Run) -> Iterable[Sample] | Columns:
        """Measures once. Never called twice at the same time. Returns values, or `self.columns`.

        Raise `Denied`, `Unavailable` or `Malformed` if there are no values this time. An `OSError` becomes one of the
        first two, any other exception is shown with its text; the next run asks again.
        """


class Drop(Enum):
    """The answer to a series whose values nobody wants."""

    DROP = "drop"


DROP = Drop.DROP


class Processor(Plugin):
    """A plugin that renames, tags or drops series."""

    @abstractmethod
    def map_series(self, series: Series) -> Series | Drop:
        """Judges a new series: returns it, changed or not, or `DROP`. The answer is remembered.

        An exception says why it could not be judged; the series is asked about again later.
        """


class Backend(Plugin):
    """A plugin that hands points to a storage system.

    Build whatever text stands for a series in `define`, where it costs once, and only append it in `write`.
    """

    @abstractmethod
    def define(self, handle: int, series: Series) -> None:
        """Gives a series its handle. A handle that is defined again stands for the new series."""

    @abstractmethod
    def write(self, points: list[Point]) -> None:
        """Writes points, at least one, and returns once the destination has all of them.

        Raise `Retry`, `Reject`, `Denied` or `Broken`. `Unavailable` is a `Retry`, any other exception `Broken`.
        """

    @abstractmethod
    def forget(self, handle: int) -> None:
        """Takes a handle back."""
