/**
 * The agent outside Wasm, for a plugin's own tests.
 *
 * @module
 */

import { Unavailable } from './lib/errors.js';
import { attach } from './lib/host.js';
import { readSettings } from './lib/settings.js';
import { gzipSync } from 'node:zlib';

/**
 * @typedef {object} Posted A request that a plugin has sent.
 * @property {string} method
 * @property {import('./lib/http.js').Target} target
 * @property {Record<string, string>} headers
 * @property {string} body As text.
 * @property {Uint8Array} bytes The body as it was sent.
 */

/** An agent that remembers what a plugin does, and answers what a test has prepared. */
class FakeHost {
    /** The lines that were logged so far. @type {{ level: string, message: string }[]} */
    logged = [];

    /** What was saved last, as JSON; undefined at the very first start. @type {string | undefined} */
    state = undefined;

    /** Counters and gauges of the plugin's own. @type {Record<string, number>} */
    customMetrics = {};

    /**
     * The files that there are: texts by path. An error in the place of a text is thrown: `new Denied(read(path))`.
     * @type {Record<string, string | Error>}
     */
    files = {};

    /** What file systems answer, by path. @type {Record<string, import('./lib/host.js').Usage | Error>} */
    usages = {};

    /**
     * The answers to the next requests, which are answered 204 when there are no more. An error is thrown: `Denied`
     * or `Unavailable`.
     * @type {({ status: number, retryAfterS?: number, body?: string } | Error)[]}
     */
    answers = [];

    /** The requests that were sent so far. @type {Posted[]} */
    posted = [];

    /** @type {import('./lib/host.js').Host} */
    #host = {
        log: (level, message) => void this.logged.push({ level, message }),
        loadState: () => (this.state === undefined ? undefined : new TextEncoder().encode(this.state)),
        saveState: (bytes) => void (this.state = new TextDecoder().decode(bytes)),
        filesystemUsage: (path) => found(this.usages[path] ?? new Unavailable(`${path}: no such file or directory`)),
        gzip: (bytes, level) => gzipSync(bytes, { level }),
        counterAdd: (name, amount) => void (this.customMetrics[name] = (this.customMetrics[name] ?? 0) + amount),
        gaugeSet: (name, value) => void (this.customMetrics[name] = value),
        readFile: (path) => {
            const text = found(this.files[path]);
            return text === undefined ? undefined : new TextEncoder().encode(text);
        },
        keepFile: (path) => ({ read: () => this.#host.readFile(path) }),
        listFolder: (path) => {
            const inside = Object.keys(this.files).filter((file) => file.startsWith(`${path}/`));
            if (inside.length === 0) {
                throw new Unavailable(`${path}: no such file or directory`);
            }
            return [...new Set(inside.map((file) => file.slice(path.length + 1).split('/')[0]))];
        },
        request: (method, target, headers, bytes) => {
            const body = new TextDecoder().decode(bytes);
            this.posted.push({ method, target, headers: Object.fromEntries(headers), body, bytes });
            return { body: '', ...found(this.answers.shift() ?? { status: 204 }) };
        },
    };

    constructor() {
        attach(this.#host);
    }
}

/**
 * @template T
 * @param {T | Error} prepared
 * @returns {T}
 */
function found(prepared) {
    if (prepared instanceof Error) {
        throw prepared;
    }
    return prepared;
}

/** A new agent in the place of the one before: call it at the beginning of a test. */
export function fakeHost() {
    return new FakeHost();
}

/**
 * An instance of a plugin with these settings, and defaults for the others.
 * @template T
 * @param {(new (settings: any) => T) & { settings: import('./lib/settings.js').Settings }} plugin
 * @param {Record<string, any>} [settings]
 * @returns {T}
 */
export function open(plugin, settings = {}) {
    return new plugin(readSettings(plugin.settings, settings));
}
