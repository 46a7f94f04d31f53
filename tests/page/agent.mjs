// An agent of its own for a test: a folder that goes with it, a free port, the collectors that were built.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const PROGRAM = process.env.SAKER_PROGRAM ?? join(target, "release", "saker");
const PLUGINS = process.env.SAKER_PLUGINS ?? join(target, "plugins");
const START_MS = 60_000;

export const COLLECTORS = ["cpu", "disk-io", "disk-usage", "kernel", "load", "memory", "network", "pressure", "process", "tcp"];

/** Waits until something is so, and says what was waited for if it never is. */
export async function until(what, is, within_ms = START_MS) {
  const end = Date.now() + within_ms;
  for (;;) {
    const found = await is();
    if (found) return found;
    if (Date.now() > end) throw new Error(`after ${within_ms} ms still not: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export class Agent {
  constructor(config = "", { plugins = COLLECTORS, folders = [], token } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), "saker-page-"));
    const folder = join(this.folder, "plugins");
    mkdirSync(folder);
    for (const name of plugins) symlinkSync(join(PLUGINS, `${name}.wasm`), join(folder, `${name}.wasm`));
    for (const name of folders) mkdirSync(join(this.folder, name));
    this.token = token;
    const token_file = token === undefined ? "" : `token_file = "${join(this.folder, "token")}"`;
    if (token !== undefined) writeFileSync(join(this.folder, "token"), `${token}\n`, { mode: 0o600 });
    this.address = "127.0.0.1:0";
    this.config = (address) =>
      `endpoint = "web-1"\ndata_dir = "${join(this.folder, "data")}"\n${config}\n[listen]\nhttp = "${address}"\n${token_file}\n[plugins]\ndir = "${folder}"\n`;
  }

  /** Starts it, or starts it again under the address that it had. */
  async start() {
    const file = join(this.folder, "agent.toml");
    writeFileSync(file, this.config(this.address).replaceAll("FOLDER", this.folder));
    this.process = spawn(PROGRAM, ["run", "--config", file], { stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    const read = (chunk) => {
      log += chunk;
    };
    this.process.stdout.on("data", read);
    this.process.stderr.on("data", read);
    const listening = () => {
      if (this.process.exitCode !== null) throw new Error(`the agent ended:\n${log}`);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the log may be coloured
      return /listening.*?(127\.0\.0\.1:\d+)/.exec(log.replace(/\x1b\[\d*m/g, ""))?.[1];
    };
    this.address = await until("it listens", listening);
    await until("its plugins are loaded", async () => (await this.get("/ready")).ok);
    return this;
  }

  get url() {
    return `http://${this.address}`;
  }

  get(path, options = {}) {
    const headers = this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
    return fetch(this.url + path, { ...options, headers: { ...headers, ...options.headers } });
  }

  async stop(signal = "SIGTERM") {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill(signal);
    await ended;
  }

  async remove() {
    await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
