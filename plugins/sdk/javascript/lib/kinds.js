/**
 * The three kinds of plugins. A plugin is a class that extends one of these and is the default export of
 * `src/plugin.js`.
 *
 * @module
 */

import { Columns } from './columns.js';

/**
 * @typedef {import('./permissions.js').Permission} Permission
 * @typedef {import('./settings.js').Settings} Settings
 * @typedef {import('./values.js').Sample} Sample
 * @typedef {import('./values.js').MetricType} MetricType
 *
 * @typedef {object} Run Why a collector is called.
 * @property {number} timestampMs The time that the values are for, in milliseconds since 1970.
 * @property {number} intervalMs The interval between runs, in milliseconds.
 *
 * @typedef {object} Series What identifies a series.
 * @property {string} endpoint Whose series it is.
 * @property {string} metric Its name.
 * @property {Record<string, string>} tags
 * @property {MetricType} metricType How its values are to be read.
 * @property {number} stepS How often it is measured, in seconds.
 *
 * @typedef {object} Definition
 * @property {number} id The handle that stands for the series from now on.
 * @property {Series} series
 *
 * @typedef {object} Point One value of a series.
 * @property {number} series The handle of its series.
 * @property {number} timestampMs When, in milliseconds since 1970.
 * @property {number} value
 */

/** The columns of collectors that use them. @type {WeakMap<object, Columns>} */
export const COLUMNS = new WeakMap();

/** What all kinds have. */
class Plugin {
    /** What it does, in one line for the operator. */
    static summary = '';

    /** What it would like to touch, and what for. @type {Permission[]} */
    static requests = [];

    /** Its settings; see settings.js for all that can be written. @type {Settings} */
    static settings = {};

    /**
     * Makes an instance. Throw `WrongSetting` or `Denied`, if it cannot work like this.
     * @param {Record<string, any>} settings What the operator has set, and defaults for the rest.
     */
    constructor(settings) {
        /** What the operator has set, and defaults for the rest. */
        this.settings = settings;
    }

    /** The last call of an instance that ends in order. */
    close() {}
}

/** A plugin that measures. */
export class Collector extends Plugin {
    /** Its interval where the operator sets none, in milliseconds. @type {number | undefined} */
    static everyMs = undefined;

    /**
     * For a collector that answers in columns: columns.js says how.
     * @returns {Columns}
     */
    get columns() {
        COLUMNS.has(this) || COLUMNS.set(this, new Columns());
        return /** @type {Columns} */ (COLUMNS.get(this));
    }

    /**
     * Measures once, and returns values or `this.columns`. Never called twice at the same time. Throw `Denied`, `Unavailable` or `Malformed` to say why
     * there are no values this time; the next run asks again.
     * @param {Run} run
     * @returns {Iterable<Sample> | Columns}
     */
    collect(run) {
        throw new Error(`collect is not written yet, at ${run.timestampMs}`);
    }
}

/** What `mapSeries` returns for a series that stays as it is. */
export const KEEP = Object.freeze({ tag: 'keep' });
/** What `mapSeries` returns for a series whose values are dropped. */
export const DROP = Object.freeze({ tag: 'drop' });

/** A plugin that renames, tags or drops series. */
export class Processor extends Plugin {
    /**
     * Judges one new series: `KEEP`, `DROP`, or the series that its values belong to from now on. The answer is
     * remembered: the same series is not asked about again. Throw any error to say that it cannot be judged.
     * @param {Series} series
     * @returns {Series | typeof KEEP | typeof DROP}
     */
    mapSeries(series) {
        throw new Error(`mapSeries is not written yet, for ${series.metric}`);
    }
}

/**
 * A plugin that hands points to a storage system. Build whatever text stands for a series in `define`, where it costs
 * once per series, and only append it in `write`.
 */
export class Backend extends Plugin {
    /**
     * Gives series their handles. A handle that is defined again stands for the new series.
     * @param {Definition[]} definitions
     */
    define(definitions) {
        throw new Error(`define is not written yet, for ${definitions.length} series`);
    }

    /**
     * Writes points, of which there is at least one, and returns once the destination has them all. Throw `Retry`,
     * `Reject` or `Denied` to say what shall be done with them; any other error replaces the instance.
     * @param {Point[]} points
     */
    write(points) {
        throw new Error(`write is not written yet, for ${points.length} points`);
    }

    /**
     * Takes handles back.
     * @param {number[]} ids
     */
    forget(ids) {
        throw new Error(`forget is not written yet, for ${ids.length} handles`);
    }
}

/**
 * @typedef {typeof Collector | typeof Processor | typeof Backend} PluginClass
 *
 * @typedef {'collector' | 'processor' | 'backend'} Kind
 */

/**
 * The kind of a plugin; undefined, if it is none.
 * @param {any} plugin A class.
 * @returns {Kind | undefined}
 */
export function kindOf(plugin) {
    if (plugin?.prototype instanceof Collector) return 'collector';
    if (plugin?.prototype instanceof Processor) return 'processor';
    if (plugin?.prototype instanceof Backend) return 'backend';
    return undefined;
}
