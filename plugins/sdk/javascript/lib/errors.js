/**
 * The errors of the contract: who throws one of them says what the agent shall do. Any other error that a plugin
 * throws reaches the agent as its text.
 *
 * @module
 */

import { text, whole } from './fit.js';
import { mayTouch } from './permissions.js';

/** What was found is cut after so many characters: an error is one line in a log. */
const FOUND_MAX = 80;

/** What all of them have. */
class ContractError extends Error {
    /**
     * @param {string} tag What the contract calls it.
     * @param {string} message
     * @param {any} [details] What the contract wants to know beside the message, or in its place.
     */
    constructor(tag, message, details) {
        super(text(message));
        /** The error in the contract's words. */
        this.payload = { tag, val: details ?? this.message };
    }
}

/** A permission is missing: the operator has to grant it. */
export class Denied extends ContractError {
    /** @param {import('./permissions.js').Permission} permission What the plugin needs, such as `read('/proc')`. */
    constructor(permission) {
        const { tag, val } = permission;
        super('denied', `denied: ${mayTouch(permission)}`, { tag, val: val === undefined ? undefined : text(val) });
    }
}

/** What should be measured or reached is not there or does not answer now. In a backend's `write` it is a retry. */
export class Unavailable extends ContractError {
    /** @param {string} message What, and why. */
    constructor(message) {
        super('unavailable', message);
    }
}

/** What was read makes no sense. */
export class Malformed extends ContractError {
    /**
     * @param {string} place Where it was read, such as a path.
     * @param {string} expected What should stand there.
     * @param {string} [found] What stands there; nothing, if it is left out.
     */
    constructor(place, expected, found) {
        const what = found === undefined ? 'nothing' : JSON.stringify(found.slice(0, FOUND_MAX));
        super('malformed', `${place}: expected ${expected}, found ${what}`);
    }
}

/** A setting is not usable. */
export class WrongSetting extends ContractError {
    /** @param {string} message Which, and what to write instead: `url: no host; write http://host:port/path`. */
    constructor(message) {
        super('settings', message);
    }
}

/** The destination of points is away, busy or slow: the agent offers the same points again. */
export class Retry extends ContractError {
    /**
     * @param {string} message What happened.
     * @param {number} [afterMs] When to try again at the earliest, in milliseconds, if the destination said so.
     */
    constructor(message, afterMs) {
        super('retry', message, { afterMs: whole(afterMs), message: text(message) });
    }
}

/** The destination will never take these points: the agent gives them up. */
export class Reject extends ContractError {
    /**
     * @param {string} message Why.
     * @param {number[]} [points] Which points of the call, counted from zero; all, if it is empty. If it is not,
     * nothing
     *     of the call may have been written: the agent calls again without these.
     */
    constructor(message, points = []) {
        super('reject', message, { points: points.map(whole), message: text(message) });
    }
}
