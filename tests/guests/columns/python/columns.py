"""Brings a hundred values in columns, of which one comes and goes."""

import saker

MOST = 100


def series(place):
    return saker.gauge("columns.value", 0, {"place": str(place)})


class Columns(saker.Collector):
    description = saker.Description("columns-python", "0.1.0", "Brings values in columns")

    def __init__(self, settings):
        self.runs = 0
        self.handles = []

    def collect(self, run):
        columns = self.columns
        if self.runs % 2 == 1:
            columns.forget(self.handles.pop())
        self.handles += [columns.define(series(place)) for place in range(len(self.handles), MOST - self.runs % 2)]
        for place, handle in enumerate(self.handles):
            columns.add(handle, place + 0.5)
        columns.add(self.handles[0], self.runs, run.timestamp_ms - 1000)
        self.runs += 1
        return columns
