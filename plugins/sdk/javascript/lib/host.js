/**
 * What the agent offers to a plugin beside files and HTTP.
 *
 * The agent itself is reached through one object, which `attach` puts here: in a component that of wasm/host.js, when
 * an instance is opened; in a test that of `fakeHost()`.
 *
 * @module
 */

import { text, whole } from './fit.js';

/**
 * @typedef {'debug' | 'info' | 'warn' | 'error'} Level
 *
 * @typedef {object} Usage Size and fill of a file system, in bytes and inodes.
 * @property {number} totalBytes
 * @property {number} freeBytes Free for the superuser.
 * @property {number} availableBytes Free for everyone else.
 * @property {number} totalInodes 0 where the file system does not count them.
 * @property {number} freeInodes
 *
 * @typedef {object} Answer What a server said.
 * @property {number} status
 * @property {number} [retryAfterS] What `Retry-After` said, in seconds.
 * @property {string} body The beginning of the body.
 *
 * @typedef {object} Host The agent, as a plugin sees it. What it rejects is thrown as `Denied` or `Unavailable`.
 * @property {(level: Level, message: string) => void} log
 * @property {() => Uint8Array | undefined} loadState
 * @property {(bytes: Uint8Array) => void} saveState
 * @property {(path: string) => Usage} filesystemUsage
 * @property {(bytes: Uint8Array, level: number) => Uint8Array} gzip
 * @property {(name: string, amount: number) => void} counterAdd
 * @property {(name: string, value: number) => void} gaugeSet
 * @property {(path: string) => Uint8Array | undefined} readFile Undefined, if there is no such file.
 * @property {(path: string) => { read: () => Uint8Array | undefined }} keepFile A file that stays open.
 * @property {(path: string) => string[]} listFolder
 * @property {(method: 'get' | 'post', target: import('./http.js').Target, headers: [string, string][],
 *     body: Uint8Array, most: number) => Answer} request Keeps up to `most` bytes of the answer's body.
 */

const NOBODY =
    'there is no agent here: in a test, call fakeHost() of sdk/testing.js first; at the top level of a module, ' +
    'which runs when the plugin is built, nothing can be asked';

const LEVELS = ['debug', 'info', 'warn', 'error'];

/** @type {Host | undefined} */
let attached;

/**
 * Puts an agent in the place of the one before.
 * @param {Host} host
 */
export function attach(host) {
    attached = host;
}

/** The agent. */
export function host() {
    if (!attached) {
        throw new Error(NOBODY);
    }
    return attached;
}

/**
 * Text in UTF-8; bytes as they are.
 * @param {string | Uint8Array} data
 */
export function bytesOf(data) {
    return data instanceof Uint8Array ? data : new TextEncoder().encode(data);
}

/**
 * Logs one line under the instance's name.
 * @param {Level} level
 * @param {string} message
 */
export function log(level, message) {
    if (!LEVELS.includes(level)) {
        throw new TypeError(`log: the level is none of ${LEVELS.join(', ')}: ${level}`);
    }
    host().log(level, text(message));
}

/**
 * What was saved last, by this instance or by the one that it took the place of. Undefined at the very first start,
 * and if what was saved is no JSON.
 * @returns {any}
 */
export function loadState() {
    const bytes = host().loadState();
    try {
        return bytes && JSON.parse(new TextDecoder().decode(bytes));
    } catch {
        return undefined;
    }
}

/**
 * Keeps something for whoever comes next, as JSON. It is kept only if the call that saves it succeeds. Throws, if it
 * is longer than the agent allows: 64 KiB, if the operator has set nothing else.
 * @param {any} value
 */
export function saveState(value) {
    host().saveState(new TextEncoder().encode(JSON.stringify(value)));
}

/**
 * Size and fill of the file system that holds an absolute path. Needs the permission `statfs`. Throws `Denied` without
 * it, `Unavailable` if the system does not answer.
 * @param {string} path
 */
export function filesystemUsage(path) {
    return host().filesystemUsage(text(path));
}

/**
 * Bytes or text as one gzip member, compressed by the agent.
 * @param {string | Uint8Array} data
 * @param {number} [level] 1 is fast, 9 is small.
 */
export function gzip(data, level = 1) {
    return host().gzip(bytesOf(data), Math.min(Number(whole(level)), 255));
}

/**
 * Adds to a counter of the plugin's own, which `/metrics` shows.
 * @param {string} name
 * @param {number} amount Not negative.
 */
export function counterAdd(name, amount) {
    host().counterAdd(text(name), Number(amount));
}

/**
 * Sets a gauge of the plugin's own, which `/metrics` shows.
 * @param {string} name
 * @param {number} value
 */
export function gaugeSet(name, value) {
    host().gaugeSet(text(name), Number(value));
}
