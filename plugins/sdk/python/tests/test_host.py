import unittest

from saker import Unavailable, log
from saker import host as agent
from saker.testing import host


class Tests(unittest.TestCase):
    def setUp(self):
        host.reset()

    def test_what_is_saved_is_found_again(self):
        self.assertIsNone(agent.load_state())
        agent.save_state(b"x")
        self.assertEqual(agent.load_state(), b"x")
        host.reset()
        self.assertIsNone(agent.load_state())

    def test_figures_add_up_or_are_replaced(self):
        for _ in range(2):
            agent.counter_add("a")
            agent.gauge_set("b", 5)
        self.assertEqual(host.custom_metrics, {"a": 2, "b": 5})

    def test_lines_have_levels(self):
        log.warn("w")
        log.error("e")
        self.assertEqual(host.logged, [("warn", "w"), ("error", "e")])

    def test_usage_is_what_the_test_says(self):
        host.usages["/"] = agent.Usage(4, 3, 2, 1, 0)
        self.assertEqual(agent.filesystem_usage("/").available_bytes, 2)
        with self.assertRaises(Unavailable):
            agent.filesystem_usage("/mnt")
