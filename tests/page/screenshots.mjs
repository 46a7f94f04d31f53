// Writes docs/images: each view of the page, on a host that is made up. A day of its past is pushed, so that there is
// something to compare with, and one thing changes at the end.
import { mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Agent, COLLECTORS, until } from "./agent.mjs";
import { launch, open, painted } from "./browser.mjs";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "docs", "images");
const BYTES_MAX = 150 * 1024;
const DAY_S = 86_400;
const STEP_S = 10;
/** Of the day before, the hour around this time is enough. */
const PIECES = [
  [DAY_S + 2400, DAY_S - 2400],
  [6 * 3600, 0],
];
const AT_ONCE = 5000;
const GIB = 2 ** 30;

const noise = (() => {
  let state = 42;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
})();

/** The host at a time: its values, by metric and tags. `changed` grows from 0 to 1 in the last minutes. */
function host(time, changed) {
  const wave = (period, phase = 0) => Math.sin((2 * Math.PI * time) / period + phase);
  const user = 14 + 5 * wave(5400) + 3 * wave(610) + 4 * noise() + 22 * changed;
  const system = 5 + 1.5 * wave(4100, 1) + 1.5 * noise() + 4 * changed;
  const iowait = 0.6 + 0.8 * noise() + 2 * changed;
  const anon = (9.2 + 0.5 * wave(9000) + 1.4 * changed) * GIB;
  const cached = (14.5 + 0.6 * wave(14_000, 2)) * GIB;
  const total = 31.2 * GIB;
  const busy = 8 + 5 * wave(700) + 6 * noise() + 30 * changed;
  const gauges = [
    ["cpu.user", user], ["cpu.nice", 0], ["cpu.system", system], ["cpu.iowait", iowait],
    ["cpu.irq", 0], ["cpu.softirq", 0.4 + 0.3 * noise()], ["cpu.steal", 0.1 * noise()],
    ["cpu.busy", user + system + iowait + 0.5], ["cpu.cores", 8],
    ["load.1min", (user + system) / 12 + 0.4 * noise()], ["load.5min", (user + system) / 12 + 0.1 * noise()],
    ["pressure.cpu.some.avg10", 1.2 + 1.5 * noise() + 7 * changed], ["pressure.io.some.avg10", 0.8 + noise() + 4 * changed], ["pressure.memory.some.avg10", 0],
    ["mem.memtotal", total], ["mem.anon", anon], ["mem.cached", cached], ["mem.buffers", 0.4 * GIB], ["mem.shmem", 0.3 * GIB],
    ["mem.unused", total - anon - cached - 2.1 * GIB], ["mem.memused.percent", (100 * (anon + 1.8 * GIB)) / total],
    ["kernel.uptime", 1_982_000 + time % DAY_S], ["proc.total", 287 + Math.round(6 * noise())], ["proc.running", 1 + Math.round(2 * noise() + 2 * changed)], ["proc.blocked", Math.round(noise())],
    ["disk.io.util", busy, "device=nvme0n1"], ["disk.io.util", 2 + 2 * noise(), "device=nvme1n1"],
    ["disk.io.await", 0.4 + 0.3 * noise() + 1.9 * changed, "device=nvme0n1"], ["disk.io.await", 0.3 + 0.2 * noise(), "device=nvme1n1"],
    ...[["/", 61.4, 200], ["/boot", 38.2, 1], ["/data", 84.9 + 0.4 * changed, 1800], ["/var/log", 47.3, 60]].flatMap(([mount, used, gib]) => [
      ["df.bytes.used.percent", used, `fstype=ext4,mount=${mount}`],
      ["df.bytes.total", gib * GIB, `fstype=ext4,mount=${mount}`],
      ["df.bytes.free", (gib * GIB * (100 - used)) / 100, `fstype=ext4,mount=${mount}`],
    ]),
  ];
  const rates = [
    ["net.if.in.bytes", 3.1e6 + 8e5 * wave(1300) + 6e5 * noise() + 1.9e7 * changed, "iface=eth0"],
    ["net.if.out.bytes", 1.7e6 + 4e5 * wave(900, 2) + 4e5 * noise() + 2.4e6 * changed, "iface=eth0"],
    ["net.if.in.bytes", 2e5 + 1e5 * noise(), "iface=eth1"],
    ["net.if.out.bytes", 1e5 + 1e5 * noise(), "iface=eth1"],
    ["snmp.Tcp.PassiveOpens", 42 + 9 * noise() + 190 * changed, ""],
  ];
  return { gauges, rates };
}

async function fill(agent) {
  const now = Math.floor(Date.now() / 1000 / STEP_S) * STEP_S;
  const totals = new Map();
  let batch = [];
  const send = async () => {
    const response = await agent.get("/v1/push", { method: "POST", body: JSON.stringify(batch) });
    if (!response.ok) throw new Error(`push: ${response.status} ${await response.text()}`);
    batch = [];
  };
  for (const [from, to] of PIECES) {
    for (let time = now - from; time <= now - to; time += STEP_S) {
      const changed = Math.min(Math.max((time - (now - 280)) / 60, 0), 1);
      const { gauges, rates } = host(time, changed);
      const put = (metric, value, tags, counterType) =>
        batch.push({ endpoint: "web-1", metric, value: Number(value.toFixed(3)), timestamp: time, step: STEP_S, counterType, tags });
      for (const [metric, value, tags = ""] of gauges) put(metric, value, tags, "GAUGE");
      for (const [metric, rate, tags] of rates) {
        const key = metric + tags;
        totals.set(key, (totals.get(key) ?? 1e9) + rate * STEP_S);
        put(metric, Math.round(totals.get(key)), tags, "COUNTER");
      }
      if (batch.length >= AT_ONCE) await send();
    }
  }
  await send();
}

const DESTINATIONS = `
[destination.archive]
backend = "file"
settings = { directory = "FOLDER/archive" }
[destination.archive.grant]
write = ["FOLDER/archive"]
[destination.victoria]
backend = "victoria"
settings = { url = "http://127.0.0.1:9" }
[destination.victoria.grant]
connect = ["127.0.0.1:9"]
[[route]]
destinations = ["archive"]
continue = true
[[route]]
metric = ["cpu.*", "mem.*", "net.*"]
destinations = ["victoria"]
`;

mkdirSync(folder, { recursive: true });
const browser = await launch();

async function shot(agent, name, hash, ready, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  await open(page, agent, hash);
  await ready(page);
  await page.waitForTimeout(1500);
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  const { size } = statSync(path);
  console.log(`${name}.png: ${size} bytes`);
  if (size > BYTES_MAX) throw new Error(`${name}.png has ${size} bytes, and ${BYTES_MAX} is the most`);
  await context.close();
}

const query = (values) => new URLSearchParams(values);
const made = await new Agent("", { plugins: [] }).start();
await fill(made);
const now = (page) => painted(page).then(() => page.locator(".changes li, .card.wide .empty").first().waitFor());
await shot(made, "now", "#/now", now);
await shot(made, "now-dark", "#/now", now, { colorScheme: "dark" });
await shot(made, "now-narrow", "#/now", now, { viewport: { width: 360, height: 760 } });
await shot(made, "explore", `#/explore?${query({ metric: "net.if.in.bytes", range: "1h", by: "all", before: "a day before" })}`, painted);
await shot(made, "query", `#/query?${query({ query: "sum by (device) (avg_over_time(disk_io_util[1m]))", range: "1h" })}`, painted);
await made.remove();

const real = await new Agent(`interval = "1s"\n${DESTINATIONS}`, { plugins: [...COLLECTORS, "file", "victoria"], folders: ["archive"] }).start();
await until("some points wait", async () => (await (await real.get("/saker/v1/routes")).json()).destinations.some((destination) => destination.queued > 1000));
const rates = (page) => page.locator("text=/\\d\\/s/").first().waitFor();
await shot(real, "plugins", "#/plugins?plugin=network", async (page) => {
  await page.getByText("Is granted").waitFor();
  await page.waitForTimeout(4500);
}, { viewport: { width: 1180, height: 720 } });
await shot(real, "flow", "#/flow", rates);
await real.remove();
await browser.close();
