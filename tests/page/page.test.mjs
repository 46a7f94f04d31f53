// The page in a browser, on an agent with all collectors and a destination that does not answer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { Agent, until } from "./agent.mjs";
import { ADDRESSES, launch, open, painted, VIEWS } from "./browser.mjs";

const DOWN = `
interval = "1s"
[destination.down]
backend = "victoria"
settings = { url = "http://127.0.0.1:9" }
[destination.down.grant]
connect = ["127.0.0.1:9"]
[[route]]
destinations = ["down"]
`;
const PLUGINS = ["cpu", "disk-io", "disk-usage", "kernel", "load", "memory", "network", "pressure", "process", "tcp", "victoria"];

let agent;
let browser;

before(async () => {
  [agent, browser] = await Promise.all([new Agent(DOWN, { plugins: PLUGINS }).start(), launch()]);
  // Two runs of each collector, so that there is something to draw a line between.
  await until("there are values", async () => {
    const { series } = await (await agent.get("/saker/v1/recent?metric=cpu.user")).json();
    return series[0]?.points.length >= 8;
  });
});

after(async () => {
  await browser?.close();
  await agent?.remove();
});

/** A page that notes what it asks for, and what it complains of. */
async function tab(options = {}, of = agent) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.asked = [];
  page.complaints = [];
  page.on("request", (request) => page.asked.push(request.url()));
  page.on("pageerror", (error) => page.complaints.push(error.stack));
  page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
  page.elsewhere = () => page.asked.filter((url) => !url.startsWith(`${of.url}/`) && url !== "about:blank");
  return page;
}

const close = (page) => page.context().close();

test("each view shows what it is there for, asks nobody else, and complains of nothing", async () => {
  const page = await tab();
  const charts = {};
  for (const view of VIEWS) {
    await open(page, agent, ADDRESSES[view]);
    if (view === "plugins") await page.getByRole("cell", { name: "running" }).first().waitFor();
    else if (view === "flow") await page.getByText("Every sample is accounted for.").waitFor();
    else charts[view] = await painted(page);
  }
  assert.ok(charts.now >= 5 && charts.explore === 1 && charts.query === 1, JSON.stringify(charts));
  assert.deepEqual(page.elsewhere(), []);
  assert.deepEqual(page.complaints, []);
  await close(page);
});

test("the first view is live: figures change without anything being asked for again", async () => {
  const page = await tab();
  await open(page, agent, ADDRESSES.now);
  await painted(page);
  const documents = () => page.asked.filter((url) => url.startsWith(`${agent.url}/saker/v1/page/live`)).length;
  const legend = () => page.locator(".card").first().locator(".legend").textContent();
  const first = await legend();
  await until("the legend has other values", async () => (await legend()) !== first, 15_000);
  assert.equal(documents(), 1);
  await close(page);
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing serious, ${colorScheme}`, async () => {
    const page = await tab({ colorScheme });
    for (const view of VIEWS) {
      await open(page, agent, ADDRESSES[view]);
      await (view === "plugins" || view === "flow" ? page.locator("table, .flow").first().waitFor() : painted(page));
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      const told = serious.map(({ id, nodes }) => `${view}: ${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join("\n  ")}`);
      assert.deepEqual(told, []);
    }
    await close(page);
  });
}

test("the keyboard alone reaches every view, and reads a chart", async () => {
  const page = await tab();
  await open(page, agent, ADDRESSES.now);
  await painted(page);
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  for (const view of VIEWS) {
    for (let stop = 0; (await focused()).toLowerCase() !== view; stop += 1) {
      assert.ok(stop < 200, `no tab leads to ${view}`);
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await page.waitForFunction((view) => location.hash.startsWith(`#/${view}`), view);
  }
  await page.keyboard.press("1");
  await painted(page);
  await page.locator(".plot").first().focus();
  await page.keyboard.press("p");
  const legend = () => page.locator(".legend").first().textContent();
  const values = new Set();
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press("ArrowLeft");
    values.add(await legend());
  }
  assert.ok(values.size > 1, "the cursor moves");
  await page.keyboard.press("+");
  await page.waitForFunction(() => location.hash.includes("range="));
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !location.hash.includes("range="));
  await close(page);
});

test("a query is completed by the keyboard, and a mistake is shown where it is", async () => {
  const page = await tab();
  await open(page, agent, "#/query");
  const text = page.getByRole("textbox");
  await until("metrics are offered", async () => {
    await text.fill("");
    await text.pressSequentially("cpu_bu");
    return (await page.getByRole("option", { name: "cpu_busy" }).count()) > 0;
  });
  await text.press("Tab");
  assert.equal(await text.inputValue(), "cpu_busy");
  await text.press("Enter");
  await painted(page);
  await text.fill("sum((cpu_busy)");
  await text.press("Enter");
  await page.locator(".mistake").waitFor();
  assert.match(await page.locator(".mistake").textContent(), /^sum\(\(cpu_busy\)\n +\^$/);
  await close(page);
});

test("a destination that is down is seen, and how much waits for it", async () => {
  const page = await tab();
  await open(page, agent, ADDRESSES.flow);
  await page.getByText("does not answer").first().waitFor();
  await page.getByText(/points wait/).first().waitFor();
  await open(page, agent, ADDRESSES.now);
  await page.getByText(/destination down does not answer/i).waitFor();
  await close(page);
});

test("what is 360 pixels wide needs no scrolling sideways", async () => {
  const page = await tab({ viewport: { width: 360, height: 760 } });
  for (const view of VIEWS) {
    await open(page, agent, ADDRESSES[view]);
    await page.locator("main *").first().waitFor();
    await page.waitForTimeout(500);
    const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
    assert.ok(width <= 360, `${view} is ${width} pixels wide`);
  }
  await close(page);
});

test("without the token the page asks for it, and keeps it for the tab only", async () => {
  const guarded = await new Agent('interval = "1s"', { plugins: ["cpu"], token: "a-token-of-24-characters" }).start();
  const page = await tab({}, guarded);
  await open(page, guarded, "#/now");
  const field = page.getByLabel("Token");
  await field.fill("another-token-of-some-length");
  await field.press("Enter");
  await page.getByText("That is not the token.").waitFor();
  await field.fill(guarded.token);
  await field.press("Enter");
  await painted(page);
  await page.reload();
  await painted(page);
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie), "{}");
  const other = await page.context().newPage();
  await open(other, guarded, "#/now");
  await other.getByLabel("Token").waitFor();
  assert.doesNotMatch(await (await fetch(guarded.url, { headers: { accept: "text/html" } })).text(), /cpu\.|web-1/);
  await close(page);
  await guarded.remove();
});

test("an agent that goes is missed at once, and back without a reload when it is", async () => {
  const own = await new Agent('interval = "1s"').start();
  const page = await tab({}, own);
  await open(page, own, "#/now");
  await painted(page);
  await page.evaluate(() => {
    globalThis.stayed = true;
  });
  await own.stop("SIGKILL");
  await page.getByText("The agent does not answer.").waitFor({ timeout: 2000 });
  await own.start();
  await page.getByText("live", { exact: true }).waitFor();
  const legend = () => page.locator(".legend").first().textContent();
  const before = await legend();
  await until("new values are shown", async () => (await legend()) !== before, 15_000);
  await page.keyboard.press("4");
  await page.getByRole("cell", { name: "running" }).first().waitFor();
  assert.equal(await page.evaluate(() => globalThis.stayed), true);
  // It is not held up by a page that listens.
  const began = Date.now();
  await own.stop();
  assert.ok(Date.now() - began < 5000, `${Date.now() - began} ms`);
  await close(page);
  await own.remove();
});

test("a program still gets the list of paths", async () => {
  const index = await (await agent.get("/", { headers: { accept: "*/*" } })).json();
  assert.equal(index.endpoint, "web-1");
  const html = await agent.get("/", { headers: { accept: "text/html" } });
  assert.match(html.headers.get("content-security-policy"), /^default-src 'self'/);
  assert.equal((await agent.get("/page/nothing.js")).status, 404);
});
