import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "src"), str(HERE / "../../../plugins/sdk/python")]

from plugin import SmallestProcessor
from saker import DROP, MetricType, Series, SettingsError


def judge(metric, tags):
    processor = SmallestProcessor(SmallestProcessor.Settings(rack="r12", drop=["snmp."]))
    return processor.map_series(Series("web-1", metric, tags, MetricType.GAUGE, 10))


class Tests(unittest.TestCase):
    def test_a_series_gets_the_rack_in_place_of_any_other(self):
        self.assertEqual(judge("cpu.busy", {"core": "0"}).tags, {"core": "0", "rack": "r12"})
        self.assertEqual(judge("cpu.busy", {"rack": "old"}).tags, {"rack": "r12"})

    def test_what_nobody_wants_is_dropped(self):
        self.assertIs(judge("snmp.in", {}), DROP)
        self.assertIsNot(judge("net.snmp.in", {}), DROP)

    def test_a_rack_without_a_name_is_rejected(self):
        with self.assertRaisesRegex(SettingsError, "^rack: "):
            SmallestProcessor(SmallestProcessor.Settings(rack=""))


if __name__ == "__main__":
    unittest.main()
