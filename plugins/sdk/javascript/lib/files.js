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
 * A text file of `/proc` or `/sys` that is read at every run: opened once, and read again from its beginning.
 *
 * What is read is what was opened: a file on a disk that is replaced by another under its name goes on being the old
 * one, so such a file is better read with `readText`. If reading fails or brings nothing, the path is opened again.
 */
export class KeptFile {
    /** @type {{ read: () => Uint8Array | undefined } | undefined} */
    #open;

    /** @param {string} path An absolute path. */
    constructor(path) {
        this.path = text(path);
    }

    /** The whole of it, as it is now. Throws what `readText` does. */
    read() {
        const text = this.readIfThere();
        if (text === undefined) {
            throw new Unavailable(`${this.path}: no such file`);
        }
        return text;
    }

    /** The whole of it; undefined, if there is no such file here, or the kernel does not serve it. */
    readIfThere() {
        this.#open ??= host().keepFile(this.path);
        const bytes = this.#open.read();
        return bytes && new TextDecoder().decode(bytes);
    }
}

/**
 * The names in a directory, sorted. Throws `Denied` without the permission, `Unavailable` if it cannot be read.
 * @param {string} path An absolute path.
 */
export function listFolder(path) {
    return host().listFolder(text(path)).sort();
}
