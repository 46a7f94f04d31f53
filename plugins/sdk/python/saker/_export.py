"""A plugin's class as componentize-py wants it. Only inside a component; `build.py` writes what calls this.

An exception that left an export would be a trap, and cost the instance. So every one is caught, `SystemExit` too.
componentize-py makes a new object of the class for every call, so what lives on belongs to the class.
"""

from __future__ import annotations

from typing import Any

from componentize_py_types import Err
from wit_world.imports import saker_plugin_types as types

from . import _convert, log, settings
from ._failures import sort, words
from .columns import Columns
from .errors import Broken
from .plugin import DROP, Plugin, Point, Series


class _Exports:
    """What all kinds export."""

    kind: type[Plugin]
    description: types.Description
    plugin: Any

    @classmethod
    def describe(cls) -> types.Description:
        return cls.description

    @classmethod
    def open(cls, text: str) -> None:
        try:
            cls.plugin = cls.kind(settings.parse(cls.kind.Settings, text))
        except BaseException as error:
            raise Err(_convert.open_error(sort(error))) from None

    @classmethod
    def close(cls) -> None:
        try:
            cls.plugin.close()
        except BaseException as error:
            log.error(f"close: {words(sort(error))}")


def collector(plugin: type[Plugin]) -> type:
    """The exports of a collector."""
    from wit_world.exports import collector as contract

    class Collector(_Exports):
        kind, description = plugin, _convert.description(plugin)

        @classmethod
        def collect(cls, run: contract.Run) -> contract.Measurement:
            try:
                if columns := cls.plugin._columns:
                    columns._begin()
                answer = cls.plugin.collect(run)
                if isinstance(answer, Columns):
                    batch = _convert.batch(contract, answer, run)
                    answer._taken()
                    return contract.Measurement_Columns(batch)
                return contract.Measurement_Records([_convert.sample(value) for value in answer])
            except BaseException as error:
                raise Err(_convert.collect_error(contract, sort(error))) from None

    return Collector


def processor(plugin: type[Plugin]) -> type:
    """The exports of a processor."""
    from wit_world.exports import processor as contract

    class Processor(_Exports):
        kind, description = plugin, _convert.description(plugin)

        @classmethod
        def map_series(cls, series: list[types.Series]) -> list[contract.Verdict]:
            return [cls._verdict(one) for one in series]

        @classmethod
        def _verdict(cls, theirs: types.Series) -> contract.Verdict:
            try:
                answer = cls.plugin.map_series(_convert.series(theirs))
                if answer is DROP:
                    return contract.Verdict_Drop()
                if not isinstance(answer, Series):
                    raise TypeError(f"map_series returned {answer!r}; return the series, or DROP")
                if answer == _convert.series(theirs):
                    return contract.Verdict_Keep()
                return contract.Verdict_Change(_convert.series_back(answer))
            except BaseException as error:
                return contract.Verdict_Fail(contract.ProcessError_Other(words(sort(error))))

    return Processor


def backend(plugin: type[Plugin]) -> type:
    """The exports of a backend."""
    from wit_world.exports import backend as contract

    class Backend(_Exports):
        kind, description = plugin, _convert.description(plugin)
        # What went wrong where the contract has no place to say so: the next write tells.
        failure: str | None = None

        @classmethod
        def define(cls, definitions: list[contract.Definition]) -> None:
            try:
                for definition in definitions:
                    cls.plugin.define(definition.id, _convert.series(definition.series))
            except BaseException as error:
                cls.failure = f"define: {words(sort(error))}"

        @classmethod
        def write(cls, columns: types.Columns) -> contract.Written:
            try:
                if cls.failure:
                    raise Broken(cls.failure)
                points = list(map(Point, columns.series, columns.timestamps_ms, columns.values))
                if points:
                    cls.plugin.write(points)
                return contract.Written(len(points))
            except BaseException as error:
                raise Err(_convert.write_error(contract, sort(error))) from None

        @classmethod
        def forget(cls, ids: list[int]) -> None:
            try:
                for handle in ids:
                    cls.plugin.forget(handle)
            except BaseException as error:
                cls.failure = f"forget: {words(sort(error))}"

    return Backend
