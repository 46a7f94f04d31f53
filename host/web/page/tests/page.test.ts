import assert from "node:assert/strict";
import { test } from "node:test";
import { mistake, offers, word } from "../src/completion";
import { range, windowOf } from "../src/ranges";
import { families, sentence } from "../src/ranking";
import { type Past, Recent } from "../src/recent";
import { stack } from "../src/stack";
import { formatted, unitOf, unitOfQuery } from "../src/units";
import { figures, parse, sourceBalance } from "../src/views/flow-data";
import { verdict } from "../src/vital";

const GAUGE = { n: 0, metric: "cpu.busy", tags: {}, type: "GAUGE", step: 1 };
const COUNTER = { n: 1, metric: "net.if.in.bytes", tags: { iface: "eth0" }, type: "COUNTER", step: 1 };
const START = 1_790_000_000_000;

function past(epoch = 1): Past {
  return {
    epoch,
    now: START + 10_000,
    groups: [
      {
        start: START,
        step: 5000,
        series: [
          { ...GAUGE, v: [1, null, 3] },
          { ...COUNTER, v: [null, 10], last: [START + 9000, 100] },
        ],
      },
    ],
  };
}

test("what comes live goes on where the document ends, and counters become rates", () => {
  const recent = new Recent();
  recent.take(past());
  recent.run({ t: START + 11_000, n: [0, 1], v: [4, 300] });
  recent.run({ t: START + 12_000, n: [1], v: [50] });
  recent.run({ t: START + 13_000, n: [1], v: [150] });
  assert.deepEqual(
    recent.times,
    [0, 5, 10, 11, 12, 13].map((second) => START / 1000 + second),
  );
  assert.deepEqual(recent.one("cpu.busy")?.cells, [1, undefined, 3, 4, undefined, undefined]);
  // A total that is smaller than the one before has no rate; the next has one again.
  assert.deepEqual(recent.one("net.if.in.bytes")?.cells, [undefined, 10, undefined, 100, undefined, 100]);
});

test("a run that comes late finds its place, and a series may be new", () => {
  const recent = new Recent();
  recent.take(past());
  recent.run({ t: START + 7000, n: [5], v: [9], new: [{ ...GAUGE, n: 5, metric: "load.1min" }] });
  assert.deepEqual(recent.one("load.1min")?.cells, [undefined, undefined, 9, undefined]);
  assert.equal(recent.times.length, 4);
});

test("another process of the agent's replaces everything, and nothing grows for ever", () => {
  const recent = new Recent();
  recent.take(past());
  recent.run({ t: START + 11_000, n: [0], v: [4] });
  recent.take(past(2));
  assert.equal(recent.times.length, 3);
  for (let second = 0; second < 86_400; second += 1) recent.run({ t: START + 20_000 + second * 1000, n: [0], v: [1] });
  assert.ok(recent.times.length < 700, String(recent.times.length));
  assert.equal(recent.one("cpu.busy")?.cells.length, recent.times.length);
});

test("layers lie on top of each other, and a gap stays one", () => {
  assert.deepEqual(
    stack([
      [1, null, 3],
      [2, 2, undefined],
    ]),
    [
      [1, null, 3],
      [3, 2, undefined],
    ],
  );
});

test("numbers have the units that people read", () => {
  assert.equal(formatted(42.613, "percent"), "42.6 %");
  assert.equal(formatted(25_276_510_208, "bytes"), "23.5 GiB");
  assert.equal(formatted(1536, "bytes/s"), "1.5 KiB/s");
  assert.equal(formatted(0.226, "ms"), "0.226 ms");
  assert.equal(formatted(1_234_567, "count"), "1.23 M");
  assert.equal(formatted(7200 * 12, "s"), "24 h");
  assert.equal(formatted(undefined, "percent"), "–");
});

test("a unit follows from a metric's name and type", () => {
  const of = (metric: string, type = "GAUGE") => unitOf(metric, type);
  assert.equal(of("cpu.busy"), "percent");
  assert.equal(of("cpu.switches", "COUNTER"), "/s");
  assert.equal(of("cpu.cores"), "count");
  assert.equal(of("mem.anon"), "bytes");
  assert.equal(of("mem.hugepages.total"), "count");
  assert.equal(of("mem.memused.percent"), "percent");
  assert.equal(of("net.if.in.bytes", "COUNTER"), "bytes/s");
  assert.equal(of("disk.io.read_bytes"), "bytes/s");
  assert.equal(of("df.bytes.free"), "bytes");
  assert.equal(of("disk.io.await"), "ms");
  assert.equal(unitOfQuery("sum by (iface) (rate(net_if_in_bytes[1m]))"), "bytes/s");
  assert.equal(unitOfQuery("topk(3, df_bytes_used_percent)"), "percent");
  assert.equal(unitOfQuery("mem_anon / mem_memtotal"), "count");
  assert.equal(unitOfQuery("count(df_bytes_used_percent)"), "count");
});

test("a range is on its step's grid, or as it was marked", () => {
  assert.deepEqual(range("1h", 1_790_000_007), { from: 1_789_996_395, to: 1_789_999_995, step: 15, live: true });
  assert.deepEqual(range("100-700", 0), { from: 100, to: 700, step: 5, live: false });
  assert.equal(windowOf(15, 10), "40s");
});

test("names are offered that begin like the word before the cursor, then those that have it", () => {
  assert.equal(word("sum(rate(net_if", 15), "net_if");
  assert.deepEqual(offers(["mem_anon", "net_if_in_bytes", "df_bytes", "bytes"], "bytes"), [
    "net_if_in_bytes",
    "df_bytes",
  ]);
  assert.deepEqual(offers(["abs", "avg"], "av"), ["avg"]);
});

test("a mistake is shown where it is, in the line where it is", () => {
  assert.deepEqual(mistake("sum(\nrate(x)", 'invalid parameter "query": 2:6: parse error: …'), {
    line: "rate(x)",
    caret: "     ^",
  });
  assert.equal(mistake("x", "the query took too long"), undefined);
});

test("a change has a sentence, and what tells the same is one", () => {
  const change = {
    metric: "net.if.in.bytes",
    tags: { iface: "eth0" },
    type: "COUNTER",
    score: 9,
    now: 2048,
    before: 512,
    spread: 51.2,
  };
  assert.equal(sentence(change), "2 KiB/s, 4 × as much; it was 512 B/s (give or take 51.2 B/s) in the hour before.");
  assert.equal(
    sentence({ ...change, day_before: 512 }).slice(-48),
    "in the hour before, and 512 B/s yesterday at this time.".slice(-48),
  );
  const found = families([
    change,
    { ...change, metric: "net.if.in.bits" },
    { ...change, metric: "mem.anon", tags: {} },
  ]);
  assert.deepEqual(
    found.map(({ first, more }) => [first.metric, more]),
    [
      ["net.if.in.bytes", 1],
      ["mem.anon", 0],
    ],
  );
});

test("the verdict says first what is worst, and is calm about a calm host", () => {
  const recent = new Recent();
  recent.take(past());
  assert.equal(verdict(recent, []).words, "All is well.");
  recent.run({
    t: START + 11_000,
    n: [7],
    v: [97.2],
    new: [{ ...GAUGE, n: 7, metric: "df.bytes.used.percent", tags: { mount: "/data" } }],
  });
  const found = verdict(recent, [{ bad: false, words: "plugin x fails" }]);
  assert.deepEqual([found.grade, found.words, found.more], ["bad", "/data is 97.2 % full.", ["plugin x fails"]]);
});

test("the agent's metrics are read, and its account is added up", () => {
  const text = [
    "# TYPE saker_received_points counter",
    'saker_received_points_total{source="push \\"a\\""} 10.0',
    'saker_accepted_points_total{source="push \\"a\\""} 7.0',
    'saker_rejected_points_total{source="push \\"a\\"",reason="bad_value"} 2.0',
    "saker_cache_points 5.0",
    "# EOF",
  ].join("\n");
  const read = figures(parse(text));
  assert.equal(read.sources[0]?.name, 'push "a"');
  assert.deepEqual(read.sources[0]?.rejected, { bad_value: 2 });
  assert.equal(read.sources[0] && sourceBalance(read.sources[0]), 1);
  assert.equal(read.store, undefined);
});
