// Debian's Chromium, without a window.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PROGRAMS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function launch() {
  const executablePath = PROGRAMS.find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) throw new Error("there is no chromium; CHROMIUM=PATH names one");
  // Root has no sandbox, and only pages of this host are opened.
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

export const VIEWS = ["now", "explore", "query", "plugins", "flow"];

export const ADDRESSES = {
  now: "#/now",
  explore: "#/explore?metric=cpu.user&range=15m",
  query: `#/query?${new URLSearchParams({ query: "sum by (device) (disk_io_util)", range: "15m" })}`,
  plugins: "#/plugins?plugin=cpu",
  flow: "#/flow",
};

/** Opens an address as if it were typed: all of it is loaded. */
export async function open(page, agent, hash) {
  await page.goto("about:blank");
  await page.goto(`${agent.url}/${hash}`);
}

/** Waits until the charts of a page are painted with lines, and says how many there are. */
export async function painted(page) {
  await page.waitForFunction(() => {
    const plots = [...document.querySelectorAll(".u-wrap canvas")];
    const inked = plots.filter((canvas) => {
      if (canvas.width === 0 || canvas.height === 0) return false;
      // Inside the axes there is nothing but lines of the grid, which are grey.
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 60 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 60) return true;
      }
      return false;
    });
    return plots.length > 0 && inked.length === plots.length;
  });
  return page.locator(".u-wrap canvas").count();
}
