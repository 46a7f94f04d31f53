"""Metric values, as a collector makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class MetricType(Enum):
    """How a value is to be read."""

    GAUGE = "gauge"
    """A level: stands for itself."""
    COUNTER = "counter"
    """A total that only grows, and starts again at zero when its source restarts."""
    DERIVE = "derive"
    """A total that may grow or shrink, stored as its rate of change."""


@dataclass
class Sample:
    """One measurement. What is left out is the agent's to fill in: endpoint, time and step are those of the run.

    `timestamp_ms` counts from 1970-01-01 UTC; `step_s` is how often it is measured, in seconds.
    """

    metric: str
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)
    metric_type: MetricType = MetricType.GAUGE
    endpoint: str | None = None
    timestamp_ms: int | None = None
    step_s: int | None = None


def gauge(metric: str, value: float, tags: Mapping[str, str] = {}) -> Sample:
    """A level that stands for itself. Infinities and not-a-number are rejected by the agent, and counted."""
    return Sample(metric, float(value), dict(tags), MetricType.GAUGE)


def counter(metric: str, value: float, tags: Mapping[str, str] = {}) -> Sample:
    """A total that only grows."""
    return Sample(metric, float(value), dict(tags), MetricType.COUNTER)


def derive(metric: str, value: float, tags: Mapping[str, str] = {}) -> Sample:
    """A total that is stored as its rate of change."""
    return Sample(metric, float(value), dict(tags), MetricType.DERIVE)
