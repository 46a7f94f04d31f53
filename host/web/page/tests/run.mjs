// Bundles the tests, since Node.js 20 reads no TypeScript, and runs them.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "saker-page-"));
const outfile = join(folder, "page.test.mjs");
await build({ entryPoints: [join(here, "page.test.ts")], outfile, bundle: true, format: "esm", platform: "node" });
const { status } = spawnSync(process.execPath, ["--test", outfile], { stdio: "inherit" });
rmSync(folder, { recursive: true });
process.exit(status ?? 1);
