"""Allocates and gives nothing back."""

import saker


class Hoard(saker.Collector):
    description = saker.Description("hoard", "1.0.0", "Allocates and gives nothing back")

    def collect(self, run):
        taken = []
        while True:
            taken.append(bytearray(1 << 20))
