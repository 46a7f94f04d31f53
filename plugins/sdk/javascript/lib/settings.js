/**
 * Settings: declared once, in `static settings`, and known to the agent as a JSON Schema.
 *
 *     static settings = {
 *         url: { type: 'string', description: 'Where to send. Has no default, so the operator must give it.' },
 *         batch: { type: 'integer', minimum: 1, default: 100, description: 'How many at once.' },
 *         limit: { type: 'number', optional: true, description: 'Undefined, if it is not given.' },
 *         names: { type: 'array', items: { type: 'string' }, default: [], description: 'A list.' },
 *         labels: { type: 'object', additionalProperties: { type: 'string' }, default: {}, description: 'A table.' },
 *         login: { type: 'object', properties: { user: { type: 'string' } }, optional: true },
 *     };
 *
 * Each is written as in JSON Schema, with these words of it, and with `optional` for a setting that has no default
 * and may be left out.
 *
 * @module
 */

import { WrongSetting } from './errors.js';

/**
 * @typedef {object} Setting
 * @property {'string' | 'boolean' | 'integer' | 'number' | 'array' | 'object'} type
 * @property {string} [description] For the operator.
 * @property {any} [default] What it is if it is left out.
 * @property {boolean} [optional] Whether it may be left out though it has no default.
 * @property {any[]} [enum] All values that there are.
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {Setting} [items] What an array holds.
 * @property {Record<string, Setting>} [properties] What an object holds under these names.
 * @property {Setting} [additionalProperties] What an object holds under any name.
 *
 * @typedef {Record<string, Setting>} Settings
 */

const WORDS = [
    'type', 'description', 'default', 'optional', 'enum', 'minimum', 'maximum', 'items', 'properties',
    'additionalProperties',
];

/** What each type is called in a message, and how it is known. */
const TYPES = {
    string: { name: 'a string', is: (/** @type {any} */ value) => typeof value === 'string' },
    boolean: { name: 'true or false', is: (/** @type {any} */ value) => typeof value === 'boolean' },
    integer: { name: 'a whole number', is: Number.isSafeInteger },
    number: { name: 'a number', is: Number.isFinite },
    array: { name: 'a list', is: Array.isArray },
    object: { name: 'a table', is: isTable },
};

/** @param {any} value */
function isTable(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The JSON Schema of settings. Throws, if they are not declared well.
 * @param {Settings} declared
 * @param {string} [place]
 * @returns {object}
 */
export function schemaOf(declared, place = 'settings') {
    const entries = Object.entries(declared);
    const properties = entries.map(([name, setting]) => [name, schemaOfOne(setting, `${place}.${name}`)]);
    const required = entries.filter(([, setting]) => isRequired(setting)).map(([name]) => name);
    return { type: 'object', properties: Object.fromEntries(properties), required, additionalProperties: false };
}

/**
 * @param {Setting} setting
 * @param {string} place
 */
function schemaOfOne(setting, place) {
    const { optional, ...schema } = setting;
    const strange = Object.keys(setting).find((word) => !WORDS.includes(word));
    if (strange) {
        throw new Error(`${place}: there is no ${strange}; there is ${WORDS.join(', ')}`);
    }
    if (!TYPES[setting.type]) {
        throw new Error(`${place}: its type is one of ${Object.keys(TYPES).join(', ')}`);
    }
    if (setting.default !== undefined) {
        read(setting, setting.default, `${place}.default`);
    }
    if (setting.type === 'array') {
        schema.items = schemaOfOne(setting.items ?? /** @type {any} */ ({}), `${place}.items`);
    }
    if (setting.additionalProperties) {
        schema.additionalProperties = schemaOfOne(setting.additionalProperties, `${place}.additionalProperties`);
    } else if (setting.type === 'object') {
        Object.assign(schema, schemaOf(setting.properties ?? {}, `${place}.properties`));
    }
    return schema;
}

/** @param {Setting} setting */
function isRequired(setting) {
    return setting.default === undefined && !setting.optional;
}

/**
 * The settings that were given, with defaults for the others. Throws `WrongSetting`, naming the setting and what to
 * write.
 * @param {Settings} declared
 * @param {Record<string, any>} given
 * @returns {Record<string, any>}
 */
export function readSettings(declared, given) {
    return readTable(declared, given, '');
}

/**
 * @param {Settings} declared
 * @param {Record<string, any>} given
 * @param {string} before What stands before a name in a message.
 */
function readTable(declared, given, before) {
    const known = Object.keys(declared);
    const strange = Object.keys(given).find((name) => !known.includes(name));
    if (strange !== undefined) {
        throw new WrongSetting(`${before}${strange}: no such setting; there is ${known.join(', ') || 'none'}`);
    }
    const values = Object.entries(declared).map(([name, setting]) => {
        const value = Object.hasOwn(given, name) ? given[name] : setting.default;
        if (value === undefined && !setting.optional) {
            throw new WrongSetting(`${before}${name}: missing, and it has no default`);
        }
        return [name, value === undefined ? undefined : read(setting, value, `${before}${name}`)];
    });
    return Object.fromEntries(values);
}

/**
 * @param {Setting} setting
 * @param {any} value
 * @param {string} place
 * @returns {any}
 */
function read(setting, value, place) {
    const expected = expectation(setting, value);
    if (expected) {
        throw new WrongSetting(`${place}: expected ${expected}, found ${JSON.stringify(value)}`);
    }
    const { items, additionalProperties } = setting;
    if (items) {
        return Array.from(value, (item, at) => read(items, item, `${place}: item ${at}`));
    }
    if (additionalProperties) {
        const entries = Object.entries(value);
        return Object.fromEntries(
            entries.map(([key, item]) => [key, read(additionalProperties, item, `${place}.${key}`)]),
        );
    }
    return setting.type === 'object' ? readTable(setting.properties ?? {}, value, `${place}.`) : value;
}

/**
 * What should stand in the place of a value; undefined, if it may stand there.
 * @param {Setting} setting
 * @param {any} value
 */
function expectation(setting, value) {
    const { name, is } = TYPES[setting.type];
    if (setting.enum && !setting.enum.includes(value)) {
        return `one of ${setting.enum.join(', ')}`;
    }
    if (is(value) && !(value < (setting.minimum ?? -Infinity) || value > (setting.maximum ?? Infinity))) {
        return undefined;
    }
    const from = setting.minimum === undefined ? '' : ` from ${setting.minimum}`;
    const to = setting.maximum === undefined ? '' : ` up to ${setting.maximum}`;
    return `${name}${from}${to}`;
}
