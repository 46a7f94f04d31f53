// Builds the page into ../dist: one script and one style, named by what is in them, packed. What an
// earlier build has left there goes.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What the licences of what is bundled ask for. */
const NOTICE =
  "/*! uPlot, (c) Leon Sorokin; Preact and its signals, (c) Jason Miller, Preact team. MIT: opensource.org/license/mit */";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "..", "dist");
const result = await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.tsx" },
  outdir: dist,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  banner: { js: NOTICE },
  write: false,
});
mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) if (/\.(gz|br)$/.test(name)) rmSync(join(dist, name));
for (const file of result.outputFiles) {
  const name = parse(file.path).base;
  const [gzip, brotli] = [gzipSync(file.contents, { level: 9 }), brotliCompressSync(file.contents)];
  writeFileSync(join(dist, `${name}.gz`), gzip);
  writeFileSync(join(dist, `${name}.br`), brotli);
  console.log(`${name}: ${file.contents.length} bytes; ${gzip.length} by gzip, ${brotli.length} by brotli`);
}
