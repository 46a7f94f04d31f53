/**
 * What a plugin says of itself.
 *
 * @module
 */

import { whole } from './fit.js';
import { mayTouch } from './permissions.js';
import { schemaOf } from './settings.js';

/**
 * @typedef {object} About What package.json says of a plugin.
 * @property {string} name Lower-case letters, digits and `-`.
 * @property {string} version
 */

/**
 * The description of a plugin, as the contract has it. Throws, if something in it is missing or not usable.
 * @param {import('./kinds.js').PluginClass} plugin
 * @param {About} about
 */
export function describe(plugin, { name, version }) {
    if (!/^[a-z0-9-]+$/.test(name ?? '')) {
        const found = JSON.stringify(name);
        throw new Error(`package.json: name: expected lower-case letters, digits and "-", found ${found}`);
    }
    if (!version?.trim()) {
        throw new Error('package.json: version: missing');
    }
    if (!plugin.summary.trim()) {
        throw new Error('summary: missing; say in one line what the plugin does');
    }
    const permissions = plugin.requests.map((wanted) => {
        if (!wanted.reason) {
            throw new Error(`requests: ${mayTouch(wanted)}: say what for, as in read('/proc', 'the figures are there')`);
        }
        return { permission: { tag: wanted.tag, val: wanted.val }, reason: wanted.reason };
    });
    const everyMs = 'everyMs' in plugin ? plugin.everyMs : undefined;
    if (everyMs !== undefined && whole(everyMs) !== everyMs) {
        throw new Error(`everyMs: expected whole milliseconds, found ${everyMs}`);
    }
    return {
        name,
        version,
        summary: plugin.summary,
        permissions,
        settingsSchema: JSON.stringify(schemaOf(plugin.settings)),
        defaultIntervalMs: everyMs,
    };
}
