// What the page costs: bytes over the wire, time to the first charts, the browser's work, the agent's. Fails at twice a
// budget; the figures are printed.
import { Agent, until } from "./agent.mjs";
import { launch, open, painted } from "./browser.mjs";

const TIMES = 5;
const THROTTLE = 4;
const WATCHED_S = 20;
const BUDGETS = { "bytes over the wire": 60 * 1024, "ms to the charts": 300, "% of the main thread": 3, "% of a core for a page": 0.2 };

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function cpuSeconds(agent) {
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(await (await agent.get("/metrics")).text())[1]);
}

/** The agent's processor time in a while, in percent of a core. */
async function cost(agent) {
  const before = await cpuSeconds(agent);
  await new Promise((done) => setTimeout(done, WATCHED_S * 1000));
  return ((await cpuSeconds(agent)) - before) * (100 / WATCHED_S);
}

const interval = process.argv[2] ?? "1s";
const agent = await new Agent(`interval = "${interval}"`).start();
const browser = await launch();
await until("there are some minutes of values", async () => {
  const { data } = await (await agent.get("/api/v1/query?query=count_over_time(cpu_user[11m])")).json();
  return Number(data.result[0]?.value[1] ?? 0) * Number.parseInt(interval, 10) >= Number(process.env.HISTORY_S ?? 30);
}, 900_000);

const alone = await cost(agent);
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
const devtools = await context.newCDPSession(page);
await devtools.send("Network.enable");
// Of the thread, not of the clock: others work on this machine as well.
await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
let bytes = {};
devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
  if (bytes[requestId] !== undefined) bytes[requestId].bytes = encodedDataLength;
});
devtools.on("Network.responseReceived", ({ requestId, response, type }) => {
  if (["Document", "Script", "Stylesheet"].includes(type)) bytes[requestId] = { url: response.url, bytes: 0 };
});
const [sizes, times] = [[], []];
await devtools.send("Emulation.setCPUThrottlingRate", { rate: THROTTLE });
for (let time = 0; time < TIMES; time += 1) {
  await devtools.send("Network.clearBrowserCache");
  bytes = {};
  await open(page, agent, "#/now");
  await painted(page);
  times.push(await page.evaluate(() => performance.getEntriesByName("charts")[0].startTime));
  sizes.push(Object.values(bytes).reduce((sum, one) => sum + one.bytes, 0));
}
for (const { url, bytes: size } of Object.values(bytes)) console.log(`${url.slice(agent.url.length)}: ${size} bytes`);
await devtools.send("Emulation.setCPUThrottlingRate", { rate: 1 });
const task = async () => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
const began = await task();
const watched = await cost(agent);
const busy = ((await task()) - began) * (100 / WATCHED_S);
await browser.close();
await agent.remove();

const found = {
  "bytes over the wire": median(sizes),
  "ms to the charts": median(times),
  "% of the main thread": busy,
  "% of a core for a page": Math.max(watched - alone, 0),
};
let failed = false;
for (const [what, figure] of Object.entries(found)) {
  const budget = BUDGETS[what];
  failed ||= figure > 2 * budget;
  console.log(`${what}: ${figure.toFixed(2)} (budget ${budget}${figure > budget ? ", over" : ""})`);
}
console.log(`the agent without a page: ${alone.toFixed(2)} % of a core`);
process.exit(failed ? 1 : 0);
