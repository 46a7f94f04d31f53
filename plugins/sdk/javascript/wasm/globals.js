/**
 * What every JavaScript has and QuickJS in a component has not: console, TextEncoder and TextDecoder for UTF-8, and a
 * Math.random that differs from instance to instance.
 *
 * @module
 */

import { getInsecureRandomU64 } from 'wasi:random/insecure@0.2.0';

import { log } from '../lib/host.js';

globalThis.TextEncoder = class TextEncoder {
    encode(text = '') {
        // Binary strings and base64 are made by native code, a loop over characters would take three times as long.
        return Uint8Array.fromBase64(btoa(unescape(encodeURIComponent(String(text).toWellFormed()))));
    }
};

globalThis.TextDecoder = class TextDecoder {
    decode(bytes = new Uint8Array()) {
        const binary = atob(bytes.toBase64());
        try {
            return decodeURIComponent(escape(binary));
        } catch {
            // It is no UTF-8: what is ASCII in it can be read all the same.
            return binary.replace(/[\x80-\xff]/g, '\ufffd');
        }
    }
};

/** A value as console shows it. */
function shown(value) {
    if (value instanceof Error) {
        return `${value}\n${value.stack}`;
    }
    return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}

const logger =
    (level) =>
    (...values) => {
        try {
            log(level, values.map(shown).join(' '));
        } catch {
            // What stands at the top level of a module runs while the plugin is built, and nobody listens.
        }
    };

globalThis.console = {
    debug: logger('debug'),
    log: logger('info'),
    info: logger('info'),
    warn: logger('warn'),
    error: logger('error'),
};

// The engine's own goes on where the build has left it, with the same numbers in every instance.
Math.random = () => (getInsecureRandomU64() / 2 ** 64) % 1;
