import unittest

from saker import Rates, Run


class Tests(unittest.TestCase):
    def test_rates_are_means_over_the_time_that_passed(self):
        rates = Rates()
        self.assertEqual(rates.per_second(Run(5_000, 10_000), {"eth0": 1000, "eth1": 5}), {})
        self.assertEqual(rates.per_second(Run(25_000, 10_000), {"eth0": 6000, "eth2": 5}), {"eth0": 250.0})

    def test_what_has_started_anew_or_took_no_time_has_no_rate(self):
        rates = Rates()
        rates.per_second(Run(5_000, 10_000), {"eth0": 1000})
        self.assertEqual(rates.per_second(Run(15_000, 10_000), {"eth0": 999}), {})
        self.assertEqual(rates.per_second(Run(15_000, 10_000), {"eth0": 2000}), {})
        self.assertEqual(rates.per_second(Run(14_000, 10_000), {"eth0": 3000}), {})
        self.assertEqual(rates.per_second(Run(15_000, 10_000), {"eth0": 3000}), {"eth0": 0.0})
