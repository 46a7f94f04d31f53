/**
 * Taking text apart.
 *
 * @module
 */

import { Malformed } from './errors.js';

/** Decimal, with or without fraction and exponent: JavaScript's own reading takes '' for 0, and '0x10' for 16. */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * The number that is all of `text`, apart from white space around it. Throws `Malformed`, if it is not a finite
 * number.
 * @param {string | undefined} text Undefined is what a missing word of a line is: it is no number.
 * @param {string} place Where it was read, such as a path.
 */
export function number(text, place) {
    const value = NUMBER.test(text?.trim() ?? '') ? Number(text) : NaN;
    if (!Number.isFinite(value)) {
        throw new Malformed(place, 'a number', text?.trim());
    }
    return value;
}

/**
 * The words of a text: what stands between white space.
 * @param {string} text
 */
export function words(text) {
    return text.match(/\S+/g) ?? [];
}

/**
 * The lines of a file whose lines are `key value…` or `key: value…`, as [key, rest].
 * @param {string} text
 * @returns {[string, string][]}
 */
export function pairs(text) {
    const lines = text.matchAll(/^[ \t]*([^ \t:\n]+)[ \t:]+(.*?)[ \t]*$/gm);
    return Array.from(lines, ([, key, rest]) => [key, rest]);
}

/**
 * `text` with `_` for what a tag may not hold: a control character.
 * @param {string} text
 */
export function tagValue(text) {
    return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '_');
}
