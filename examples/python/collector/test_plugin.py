import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "src"), str(HERE / "../../../plugins/sdk/python")]

from plugin import SmallestCollector, values
from saker import Malformed, Run, Unavailable


class Tests(unittest.TestCase):
    def test_the_three_averages_are_reported(self):
        found = {value.metric: value.value for value in values("0.52 1.08 0.97 3/1482 9\n", "/proc/loadavg")}
        self.assertEqual(found, {"load.one": 0.52, "load.five": 1.08, "load.fifteen": 0.97})

    def test_nonsense_is_named_with_its_place(self):
        for text in ["", "0.52 1.08", "0.52 high 0.97"]:
            with self.assertRaisesRegex(Malformed, "^/proc/loadavg: expected .*, found "):
                values(text, "/proc/loadavg")

    def test_a_missing_file_is_named(self):
        collector = SmallestCollector(SmallestCollector.Settings(proc="/nowhere"))
        with self.assertRaisesRegex(Unavailable, "^/nowhere/loadavg: "):
            collector.collect(Run(timestamp_ms=0, interval_ms=10_000))


if __name__ == "__main__":
    unittest.main()
