/**
 * Requests to a granted address through the agent, which pools connections, speaks TLS and checks the grant. Needs
 * the permission `connect`.
 *
 * @module
 */

import { Reject, Retry, WrongSetting } from './errors.js';
import { text } from './fit.js';
import { bytesOf, host } from './host.js';

/** How much of an answer is kept where it is only shown, in bytes. */
const REASON_MAX = 4096;
/** How much of an answer is kept where it was asked for, in bytes. */
const BODY_MAX = 1 << 20;

const HINT = 'write http://host:port/path';

/** Where requests go: a parsed `http://` or `https://` address. */
export class Target {
    /**
     * Throws `WrongSetting`, if the address is not usable.
     * @param {string} url Such as `http://127.0.0.1:8086/write?db=metrics`.
     * @param {string} [setting] The setting that it was given in.
     */
    constructor(url, setting = 'url') {
        // What stands in the address may be a secret: the message does not repeat it.
        const wrong = (/** @type {string} */ what) => new WrongSetting(`${setting}: ${what}; ${HINT}`);
        if (!/^[!-~]*$/.test(url) || url.includes('#')) {
            throw wrong('a character that must be percent-encoded');
        }
        const parts = /^(https?):\/\/([^/?]*)(.*)$/.exec(url);
        if (!parts) {
            throw wrong('neither http:// nor https://');
        }
        const [, scheme, authority, path] = parts;
        if (authority.includes('@')) {
            throw wrong('a user name');
        }
        // The colons of an IPv6 address stand in brackets.
        const [, name, port] = /** @type {string[]} */ (/^(.*?)(?::([^:\]]*))?$/.exec(authority));
        if (name === '') {
            throw wrong('no host');
        }
        if (name.includes(':') && !/^\[.*\]$/.test(name)) {
            throw wrong('an IPv6 address without brackets');
        }
        if (port !== undefined && !(/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65535)) {
            throw wrong('no valid port');
        }
        /** Whether TLS is spoken. */
        this.tls = scheme === 'https';
        /** `host` or `host:port`, as written. */
        this.authority = authority;
        /** The path with its query, beginning with `/`. */
        this.path = path.startsWith('/') ? path : `/${path}`;
        /** The Unix socket that leads there, if one does. @type {string | undefined} */
        this.socket = undefined;
        /** `host:port`, with the scheme's port where none is written: what a grant names. */
        this.address = port === undefined ? `${authority}:${this.tls ? 443 : 80}` : authority;
    }

    /**
     * What a server serves over a Unix socket. Needs the permission `unix`.
     * @param {string} socket The path of the socket.
     * @param {string} path What is asked for; it begins with `/`.
     */
    static unix(socket, path) {
        const target = new Target('http://localhost');
        target.socket = text(socket);
        target.authority = Array.from(bytesOf(target.socket), (byte) => byte.toString(16).padStart(2, '0')).join('');
        target.address = target.socket;
        target.path = text(path);
        return target;
    }

    /**
     * Posts a body and waits for the answer. Keeps what is enough of it for the server's reason, 4 KiB. Throws
     * `Denied` if the address is not granted, `Unavailable` if there was no answer.
     * @param {string | Uint8Array} body
     * @param {Record<string, string>} [headers]
     */
    post(body, headers = {}) {
        return new Response(host().request('post', this, fields(headers), bytesOf(body), REASON_MAX));
    }

    /**
     * Gets what is there, its first MiB. Throws `Denied` if the address is not granted, `Unavailable` if there was no
     * answer.
     * @param {Record<string, string>} [headers]
     */
    get(headers = {}) {
        return new Response(host().request('get', this, fields(headers), new Uint8Array(), BODY_MAX));
    }
}

/**
 * Header fields as pairs.
 * @param {Record<string, string>} headers
 * @returns {[string, string][]}
 */
function fields(headers) {
    return Object.entries(headers).map(([name, value]) => [text(name), text(value)]);
}

/** What a server answered. */
export class Response {
    /** @param {import('./host.js').Answer} answer */
    constructor({ status, retryAfterS, body }) {
        /** The status code. */
        this.status = status;
        /** What `Retry-After` said, in seconds. */
        this.retryAfterS = retryAfterS;
        /** The beginning of the body, as text. */
        this.body = body;
    }

    /**
     * What the answer means for the points that were sent: returns if they are taken, and throws `Retry` or `Reject`
     * with the status and the server's words if they are not.
     *
     * Rejected are 400, 409, 413, 415 and 422: the same bytes will never be taken. Everything else is worth another
     * try, a missing password or database included, because an operator can mend that and lose nothing.
     */
    written() {
        if (this.status >= 200 && this.status < 300) {
            return;
        }
        const message = `${this.status} ${this.body.trim()}`.trimEnd();
        if ([400, 409, 413, 415, 422].includes(this.status)) {
            throw new Reject(message);
        }
        throw new Retry(message, this.retryAfterS === undefined ? undefined : this.retryAfterS * 1000);
    }
}
