/**
 * Reading the small text files of `/proc` and `/sys`. Needs the permission `read`.
 *
 * @module
 */

import { Unavailable } from './errors.js';
import { text } from './fit.js';
import { host } from './host.js';

/**
 * The whole of a text file. Throws `Denied` without the permission, `Unavailable` if it cannot be read.
 * @param {string} path An absolute path.
 */
export function readText(path) {
    const text = readTextIfThere(path);
    if (text === undefined) {
        throw new Unavailable(`${path}: no such file`);
    }
    return text;
}

/**
 * The whole of a text file; undefined, if there is no such file here, or the kernel does not serve it. Throws
 * `Denied` without the permission, `Unavailable` if it cannot be read.
 * @param {string} path An absolute path.
 */
export function readTextIfThere(path) {
    const bytes = host().readFile(text(path));
    return bytes && new TextDecoder().decode(bytes);
}

/**
 * The names in a directory, sorted. Throws `Denied` without the permission, `Unavailable` if it cannot be read.
 * @param {string} path An absolute path.
 */
export function listFolder(path) {
    return host().listFolder(text(path)).sort();
}
