/**
 * Files inside Wasm: the WASI file system, whose directories are those that were granted.
 *
 * @module
 */

import { getDirectories } from 'wasi:filesystem/preopens@0.2.0';

import { Denied, Unavailable } from '../lib/errors.js';
import { read } from '../lib/permissions.js';
import { joined } from './bytes.js';

/**
 * Bytes of the first read. The kernel makes the files of `/proc` as they are read and tells no size beforehand; most
 * fit into one read of this size, and some under `/proc/sys` answer only the first one.
 */
const FIRST_READ = 4 << 10;

/** Asked for once: each time would open them again. */
let granted;

/** The innermost granted directory that holds a path, and the path below it. */
function below(path) {
    granted ??= getDirectories().map(([directory, name]) => ({ directory, prefix: name.replace(/\/*$/, '/') }));
    const holding = granted.filter(({ prefix }) => `${path}/`.startsWith(prefix));
    if (holding.length === 0) {
        throw new Denied(read(path));
    }
    const { directory, prefix } = holding.reduce((a, b) => (a.prefix.length < b.prefix.length ? b : a));
    return { directory, rest: path.slice(prefix.length) || '.' };
}

/** Opens a path, gives it to `use`, and closes it. */
function opened(path, openFlags, use) {
    const { directory, rest } = below(path);
    const file = directory.openAt({ symlinkFollow: true }, rest, openFlags, { read: true });
    try {
        return use(file);
    } finally {
        file[Symbol.dispose]();
    }
}

/** What an error means for this path: WASI's are words, such as "no-entry". */
function meaning(path, error) {
    if (typeof error.payload !== 'string') {
        return error;
    }
    // What leaves its granted directory, and what is not granted beside a single file, is "not permitted".
    return error.payload === 'not-permitted'
        ? new Denied(read(path))
        : new Unavailable(`${path}: ${error.payload.replaceAll('-', ' ')}`);
}

/** The whole of an open file. */
function whole(file) {
    const chunks = [];
    let length = 0;
    for (;;) {
        const [chunk] = file.read(Math.max(FIRST_READ, length), length);
        if (chunk.length === 0) {
            return joined(chunks);
        }
        chunks.push(chunk);
        length += chunk.length;
    }
}

/** A file that stays open, and is opened again when reading it fails or brings nothing. */
export function keepFile(path) {
    let kept;
    return {
        read: () => {
            try {
                const bytes = kept && whole(kept);
                if (bytes?.length) {
                    return bytes;
                }
            } catch {
                // Opening it again says what is wrong.
            }
            kept?.[Symbol.dispose]();
            kept = undefined;
            try {
                const { directory, rest } = below(path);
                kept = directory.openAt({ symlinkFollow: true }, rest, {}, { read: true });
                return whole(kept);
            } catch (error) {
                return missing(path, error);
            }
        },
    };
}

/** The whole of a file; undefined, if there is no such file, or the kernel does not serve it. */
export function readFile(path) {
    try {
        return opened(path, {}, whole);
    } catch (error) {
        return missing(path, error);
    }
}

/** Undefined for a file that is not there; what else an error means is thrown. */
function missing(path, error) {
    if (error.payload === 'no-entry' || error.payload === 'unsupported') {
        return undefined;
    }
    throw meaning(path, error);
}

/** The names in a directory. */
export function listFolder(path) {
    try {
        return opened(path, { directory: true }, (directory) => {
            const entries = directory.readDirectory();
            try {
                const names = [];
                for (let entry; (entry = entries.readDirectoryEntry()); ) {
                    names.push(entry.name);
                }
                return names;
            } finally {
                entries[Symbol.dispose]();
            }
        });
    } catch (error) {
        throw meaning(path, error);
    }
}
