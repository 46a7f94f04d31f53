/**
 * Makes a component of the plugin in the current folder: `node sdk/build.mjs` reads package.json and src/plugin.js,
 * and writes NAME.wasm.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { describe } from './lib/describe.js';
import { kindOf } from './lib/kinds.js';

const SDK = dirname(fileURLToPath(import.meta.url));
const PLUGIN = 'src/plugin.js';
/** The first version of Node.js that has what the SDK needs. */
const NODE = 20;

/** What works in Node.js and not in a component. */
const HINT = `A plugin runs in an engine of its own, which has neither Node.js's modules (fs, http) nor a browser's
functions (fetch, setTimeout): sdk/saker.js lists what takes their place.`;

/** A mistake that has a cure, which the message tells. */
class Mistake extends Error {}

async function main() {
    const start = performance.now();
    if (Number.parseInt(process.versions.node) < NODE) {
        throw new Mistake(`this is Node.js ${process.versions.node}: install ${NODE} or newer`);
    }
    const about = readPackage();
    const plugin = await readPlugin();
    const kind = kindOf(plugin);
    if (!kind) {
        throw new Mistake(`${PLUGIN}: export a class as default that extends Collector, Processor or Backend`);
    }
    // What is wrong with it is said here, and not by an instance.
    check(() => describe(plugin, about));
    const component = await makeComponent(kind, about);
    const file = `${about.name}.wasm`;
    // Put in place at once: `saker plugin run --watch` takes what it finds.
    writeFileSync(`${file}.new`, component);
    renameSync(`${file}.new`, file);
    const mib = (component.length / (1 << 20)).toFixed(1);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${file}: a ${kind}, ${mib} MiB, built in ${seconds} s`);
}

/** @param {() => void} action */
function check(action) {
    try {
        action();
    } catch (/** @type {any} */ error) {
        throw new Mistake(error.message);
    }
}

/** @returns {import('./lib/describe.js').About} */
function readPackage() {
    if (!existsSync('package.json') || !existsSync(PLUGIN)) {
        throw new Mistake(`there is no package.json or no ${PLUGIN} here: run this in the plugin's folder`);
    }
    const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'));
    return { name, version };
}

async function readPlugin() {
    try {
        const plugin = await import(pathToFileURL(PLUGIN).href);
        return plugin.default;
    } catch (/** @type {any} */ error) {
        if (!(error instanceof SyntaxError)) {
            throw error;
        }
        // Where it is, Node.js tells only when it checks the file by itself.
        const checked = spawnSync(process.execPath, ['--check', PLUGIN], { encoding: 'utf8' });
        throw new Mistake(checked.stderr.split('\n    at ')[0].trim() || `${PLUGIN}: ${error.message}`);
    }
}

/**
 * @param {import('./lib/kinds.js').Kind} kind
 * @param {import('./lib/describe.js').About} about
 * @returns {Promise<Uint8Array>}
 */
async function makeComponent(kind, about) {
    const { componentize } = tool();
    const wit = gatherWit();
    try {
        const { component } = await componentize({
            jsSource: entry(kind, about),
            // What its imports are relative to: a file that is there.
            jsPath: fileURLToPath(import.meta.url),
            moduleRoot: common(process.cwd(), SDK),
            witPath: wit,
            world: kind,
            // Every call of the contract returns when it is done.
            sync: true,
        });
        return named(component);
    } catch (/** @type {any} */ error) {
        throw new Mistake(`${error.message.replace(/^[\s:]+/, '').trimEnd()}\n${HINT}`);
    } finally {
        rmSync(wit, { recursive: true });
    }
}

/**
 * The innermost folder that holds both. In a project that is the project.
 * @param {string} a
 * @param {string} b
 */
function common(a, b) {
    const others = b.split(sep);
    const parts = a.split(sep);
    const end = parts.findIndex((part, at) => part !== others[at]);
    return end < 0 ? a : parts.slice(0, end).join(sep) || sep;
}

/**
 * The module that has the contract's exports.
 * @param {import('./lib/kinds.js').Kind} kind
 * @param {import('./lib/describe.js').About} about
 */
function entry(kind, about) {
    const plugin = relative(SDK, PLUGIN).replaceAll('\\', '/');
    return `\
import './wasm/globals.js';
import { agent } from './wasm/host.js';
import { ${kind} as exported } from './lib/exports.js';
import plugin from '${plugin}';

export const ${kind} = exported(plugin, ${JSON.stringify(about)}, agent);
`;
}

/**
 * HTTP under its own name. While it builds, componentize-qjs runs the top level of the modules with all of WASI but
 * HTTP, and cannot link HTTP that is missing with streams that are there: so both are called wasj until then.
 * @param {Buffer} component
 */
function named(component) {
    // Names of the same length in the same places: nothing else in the file changes.
    return Buffer.from(component.toString('latin1').replaceAll(/wasj:(?=http|io)/g, 'wasi:'), 'latin1');
}

/** The worlds with what they are made of, in the form that WIT wants. */
function gatherWit() {
    const folder = mkdtempSync(join(tmpdir(), 'saker-wit-'));
    cpSync(join(SDK, 'worlds.wit'), join(folder, 'worlds.wit'));
    cpSync(join(SDK, 'wit-deps'), join(folder, 'deps'), { recursive: true });
    cpSync(join(SDK, 'wit'), join(folder, 'deps', 'saker'), { recursive: true, dereference: true });
    return folder;
}

/** What makes components, as the project has installed it. */
function tool() {
    try {
        return createRequire(join(process.cwd(), 'package.json'))('componentize-qjs');
    } catch (/** @type {any} */ error) {
        if (error.code === 'MODULE_NOT_FOUND') {
            throw new Mistake('componentize-qjs is not installed: run npm install');
        }
        throw error;
    }
}

try {
    await main();
} catch (/** @type {any} */ error) {
    // The stack of a mistake tells nothing, and that of an error in the plugin where it is.
    console.error(error instanceof Mistake ? `build: ${error.message}` : error);
    process.exitCode = 1;
}
