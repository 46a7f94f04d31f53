/**
 * Permissions: what a plugin would like to touch outside its sandbox, and why. They stand in `static requests`; the
 * operator decides.
 *
 * @module
 */

/**
 * @typedef {object} Permission
 * @property {string} tag Its kind, such as `read`.
 * @property {string} [val] Its path, address or name.
 * @property {string} [reason] What for, in a sentence for the operator.
 */

/**
 * To read files below an absolute directory, or one file.
 * @param {string} path
 * @param {string} [reason]
 * @returns {Permission}
 */
export const read = (path, reason) => ({ tag: 'read', val: path, reason });

/**
 * To ask for the size and fill of the file systems that are mounted at or below an absolute directory.
 * @param {string} path
 * @param {string} [reason]
 * @returns {Permission}
 */
export const statfs = (path, reason) => ({ tag: 'statfs', val: path, reason });

/**
 * To connect to `host:port`.
 * @param {string} address
 * @param {string} [reason]
 * @returns {Permission}
 */
export const connect = (address, reason) => ({ tag: 'connect', val: address, reason });

/**
 * To have a secret put by the agent into the requests to `scheme://host:port`.
 * @param {string} destination
 * @param {string} [reason]
 * @returns {Permission}
 */
export const secret = (destination, reason) => ({ tag: 'secret', val: destination, reason });

/**
 * To send requests over a Unix socket: a method, the socket's path, and what a request's path begins with, in whole
 * segments, where `*` stands for any one.
 * @param {string} method
 * @param {string} socket
 * @param {string} path
 * @param {string} [reason]
 * @returns {Permission}
 */
export const unix = (method, socket, path, reason) => ({ tag: 'unix', val: `${method} ${socket} ${path}`, reason });

/**
 * To write to the agent's standard output as it is.
 * @param {string} [reason]
 * @returns {Permission}
 */
export const stdout = (reason) => ({ tag: 'stdout', reason });

/**
 * A permission in words, such as `read /proc`.
 * @param {Permission} permission
 */
export function mayTouch({ tag, val }) {
    return val === undefined ? tag : `${tag} ${val}`;
}
