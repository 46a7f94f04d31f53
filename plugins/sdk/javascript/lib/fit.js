/**
 * Making values fit for the contract: what has the wrong type cannot be handed over, and would end the instance.
 *
 * @module
 */

/**
 * Anything as text that is Unicode, which half of a surrogate pair is not.
 * @param {any} value
 */
export function text(value) {
    return String(value).toWellFormed();
}

/**
 * A number as a whole one of 32 bits that is not negative.
 * @param {number | undefined} value
 */
export function whole(value) {
    return value === undefined ? undefined : Math.min(Math.max(0, Math.round(value) || 0), 2 ** 32 - 1);
}
