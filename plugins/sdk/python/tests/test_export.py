import json
import unittest
from dataclasses import dataclass
from types import SimpleNamespace

import saker
from saker import setting
from saker.testing import host

from . import bindings

types, contracts = bindings.install()

from saker import _export


class Collector(saker.Collector):
    description = saker.Description(
        "one", "0.1.0", "One", requests={saker.read("/proc"): "why", saker.data_dir(): "where"}
    )

    @dataclass
    class Settings:
        size: int = setting(1, doc="How large.")

    def __init__(self, settings):
        if settings.size < 0:
            raise saker.SettingsError("size: must not be negative")
        self.settings = settings

    def collect(self, run):
        yield from self.answer(run)

    def close(self):
        raise KeyError("gone")


class Columns(saker.Collector):
    description = saker.Description("four", "0.1.0", "Four")
    handle = None

    def collect(self, run):
        if self.handle is None:
            self.handle = self.columns.define(saker.gauge("a", 0, {"k": "v"}))
        self.columns.add(self.handle, 1.5)
        self.answer()
        return self.columns


class Processor(saker.Processor):
    description = saker.Description("two", "0.1.0", "Two")

    def map_series(self, series):
        return self.answer(series)


class Backend(saker.Backend):
    description = saker.Description("three", "0.1.0", "Three")

    def define(self, handle, series):
        self.defined = handle, series

    def write(self, points):
        self.written = points
        self.answer()

    def forget(self, handle):
        del self.defined


def fail(error):
    def answer(*_):
        raise error

    return answer


def columns(*points):
    series, timestamps_ms, values = zip(*points) if points else ((), (), ())
    return SimpleNamespace(series=series, timestamps_ms=timestamps_ms, values=values)


class Tests(unittest.TestCase):
    def setUp(self):
        host.reset()

    def opened(self, make, plugin, settings="{}"):
        exports = make(plugin)
        exports().open(settings)
        return exports, exports.plugin

    def error(self, call, *arguments):
        with self.assertRaises(bindings.Err) as caught:
            call(*arguments)
        return caught.exception.value

    def test_a_description_has_permissions_and_schema(self):
        name, version, summary, wanted, schema, every_ms = _export.collector(Collector)().describe().values
        self.assertEqual((name, version, summary, every_ms), ("one", "0.1.0", "One", None))
        self.assertEqual(wanted, [types.PermissionRequest(types.Permission_Read("/proc"), "why"),
                                  types.PermissionRequest(types.Permission_DataDir(), "where")])
        self.assertEqual(json.loads(schema)["properties"]["size"]["default"], 1)

    def test_an_instance_that_cannot_be_opened_says_why(self):
        open = _export.collector(Collector)().open
        self.assertEqual(self.error(open, '{"size": -1}'), types.OpenError_Settings("size: must not be negative"))
        self.assertEqual(self.error(open, '{"size": "x"}'),
                         types.OpenError_Settings('size: expected a whole number, found "x"'))

    def test_values_are_handed_over(self):
        exports, plugin = self.opened(_export.collector, Collector)
        plugin.answer = lambda run: [saker.gauge("a", 1, {"core": "0"}),
                                      saker.Sample("b", 2, {}, saker.MetricType.COUNTER, "e", run, 3)]
        self.assertEqual(exports().collect(9), contracts.collector.Measurement_Records([
            types.Sample(None, "a", [("core", "0")], types.MetricType.GAUGE, 1.0, None, None),
            types.Sample("e", "b", [], types.MetricType.COUNTER, 2.0, 9, 3),
        ]))

    def test_columns_are_handed_over_and_their_series_once(self):
        exports, plugin = self.opened(_export.collector, Columns)
        contract = contracts.collector
        run = SimpleNamespace(timestamp_ms=9)

        def batch(forget, define, *columns):
            return contract.Measurement_Columns(contract.Batch(forget, define, types.Columns(*columns)))

        defined = contract.Definition(0, None, "a", [("k", "v")], types.MetricType.GAUGE, None)
        plugin.answer = fail(saker.Retry("no luck"))
        self.assertEqual(self.error(exports().collect, run), contract.CollectError_Other("no luck"))
        plugin.answer = lambda: None
        self.assertEqual(exports().collect(run), batch([], [defined], [0], [], [1.5]))
        plugin.answer = lambda: plugin.columns.add(plugin.handle, 2, 7)
        self.assertEqual(exports().collect(run), batch([], [], [0, 0], [9, 7], [1.5, 2.0]))
        # It is free once, and what was never given is not free at all.
        plugin.answer = lambda: [plugin.columns.forget(handle) for handle in [plugin.handle, plugin.handle, 7]]
        self.assertEqual(exports().collect(run), batch([0], [], [], [], []))
        self.assertEqual([plugin.columns.define(saker.gauge("b", 0)) for _ in range(2)], [0, 1])

    def test_every_error_of_a_run_has_its_place_in_the_contract(self):
        exports, plugin = self.opened(_export.collector, Collector)
        contract = contracts.collector
        for raised, expected in [
            (saker.Denied(saker.statfs("/")), contract.CollectError_Denied(types.Permission_Statfs("/"))),
            (saker.Unavailable("away"), contract.CollectError_Unavailable("away")),
            (FileNotFoundError(2, "gone", "/f"), contract.CollectError_Unavailable("/f: gone")),
            (saker.Malformed("/f", "a number"), contract.CollectError_Malformed("/f: expected a number")),
            (saker.Retry("later"), contract.CollectError_Other("later")),
        ]:
            plugin.answer = fail(raised)
            self.assertEqual(self.error(exports().collect, None), expected)
        for raised in [KeyError("x"), SystemExit(3), RecursionError()]:
            plugin.answer = fail(raised)
            [message] = self.error(exports().collect, None).values
            self.assertRegex(message, rf"^{type(raised).__name__}: .*\(test_export.py:\d+\)$")

    def test_what_the_bindings_would_trap_at_is_an_error(self):
        exports, plugin = self.opened(_export.collector, Collector)
        for value, message in [
            (saker.gauge(5, 1), "metric: expected a text, found 5"),
            (saker.gauge("a", 1, {"b": 5}), "b: expected a text, found 5"),
            (saker.gauge("\ud800", 1), "surrogates not allowed"),
            (saker.Sample("a", 1, step_s=-1), "step_s: expected a whole number"),
            (saker.Sample("a", 1, timestamp_ms=1 << 63), "timestamp_ms: expected a whole number"),
            (None, "AttributeError"),
        ]:
            plugin.answer = lambda _, value=value: [value]
            [text] = self.error(exports().collect, None).values
            self.assertIn(message, text)

    def test_a_close_that_fails_is_logged(self):
        exports, _ = self.opened(_export.collector, Collector)
        exports().close()
        [(level, line)] = host.logged
        self.assertEqual(level, "error")
        self.assertTrue(line.startswith("close: KeyError: 'gone'"), line)

    def test_every_series_gets_a_verdict(self):
        exports, plugin = self.opened(_export.processor, Processor)
        contract = contracts.processor
        theirs = SimpleNamespace(endpoint="e", metric="m", tags=[("b", "1")], metric_type=types.MetricType.GAUGE,
                                 step_s=10)

        def tagged(series):
            series.tags["a"] = "2"
            return series

        changed = types.Series("e", "m", [("a", "2"), ("b", "1")], types.MetricType.GAUGE, 10)
        for answer, expected in [
            (lambda series: series, contract.Verdict_Keep()),
            (lambda series: saker.DROP, contract.Verdict_Drop()),
            (tagged, contract.Verdict_Change(changed)),
        ]:
            plugin.answer = answer
            self.assertEqual(exports().map_series([theirs, theirs]), [expected, expected])
        nothing = "return the series, or DROP"
        for answer, words in [(fail(KeyError("x")), "KeyError: 'x'"), (lambda series: None, nothing)]:
            plugin.answer = answer
            [verdict] = exports().map_series([theirs])
            self.assertIsInstance(verdict, contract.Verdict_Fail)
            self.assertIn(words, verdict.values[0].values[0])

    def test_points_are_written_and_counted(self):
        exports, plugin = self.opened(_export.backend, Backend)
        plugin.answer = lambda: None
        series = SimpleNamespace(endpoint="e", metric="m", tags=[], metric_type=types.MetricType.DERIVE, step_s=1)
        exports().define([SimpleNamespace(id=7, series=series)])
        self.assertEqual(plugin.defined, (7, saker.Series("e", "m", {}, saker.MetricType.DERIVE, 1)))
        self.assertEqual(exports().write(columns()), contracts.backend.Written(0))
        self.assertFalse(hasattr(plugin, "written"))
        self.assertEqual(exports().write(columns((7, 5, 0.5), (7, 6, 1.5))), contracts.backend.Written(2))
        self.assertEqual(plugin.written, [saker.Point(7, 5, 0.5), saker.Point(7, 6, 1.5)])

    def test_every_error_of_a_write_has_its_place_in_the_contract(self):
        exports, plugin = self.opened(_export.backend, Backend)
        contract = contracts.backend
        for raised, expected in [
            (saker.Retry("later", 1500.0), contract.WriteError_Retry(contract.Retry(1500, "later"))),
            (saker.Retry("never", 1 << 40), contract.WriteError_Retry(contract.Retry((1 << 32) - 1, "never"))),
            (saker.Unavailable("away"), contract.WriteError_Retry(contract.Retry(None, "away"))),
            (saker.Reject("no", [1]), contract.WriteError_Reject(contract.Reject([1], "no"))),
            (saker.Denied(saker.connect("h:1")), contract.WriteError_Denied(types.Permission_Connect("h:1"))),
            (saker.Broken("gone"), contract.WriteError_Broken("gone")),
        ]:
            plugin.answer = fail(raised)
            self.assertEqual(self.error(exports().write, columns((7, 5, 0.5))), expected)
        plugin.answer = fail(KeyError(7))
        [message] = self.error(exports().write, columns((7, 5, 0.5))).values
        self.assertTrue(message.startswith("KeyError: 7 ("), message)

    def test_a_failure_that_could_not_be_told_is_told_by_the_next_write(self):
        exports, _ = self.opened(_export.backend, Backend)
        exports().forget([7])
        [message] = self.error(exports().write, columns((7, 5, 0.5))).values
        self.assertTrue(message.startswith("forget: AttributeError: "), message)
