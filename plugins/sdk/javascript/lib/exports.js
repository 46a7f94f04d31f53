/**
 * Plugins as the contract has them: one object of functions for each kind. What they throw is what the contract calls
 * the error of a result.
 *
 * @module
 */

import { Columns } from './columns.js';
import { describe } from './describe.js';
import { text, whole } from './fit.js';
import { attach, log } from './host.js';
import { COLUMNS, DROP, KEEP } from './kinds.js';
import { readSettings } from './settings.js';

/**
 * @typedef {import('./describe.js').About} About
 * @typedef {import('./host.js').Host} Host
 */

/**
 * A collector for the agent.
 * @param {typeof import('./kinds.js').Collector} plugin
 * @param {About} about
 * @param {Host} [agent]
 */
export function collector(plugin, about, agent) {
    const instance = new Instance(plugin, about, agent);
    return {
        ...instance.common(),
        collect: (/** @type {import('./kinds.js').Run} */ run) =>
            instance.call(['denied', 'unavailable', 'malformed'], other, (one) => {
                COLUMNS.get(one)?.begin();
                const answer = made(one.collect(run), 'collect');
                if (answer instanceof Columns) {
                    const batch = batchToAgent(answer, run);
                    answer.taken();
                    return { tag: 'columns', val: batch };
                }
                return { tag: 'records', val: Array.from(answer, valueToAgent) };
            }),
    };
}

/**
 * A processor for the agent.
 * @param {typeof import('./kinds.js').Processor} plugin
 * @param {About} about
 * @param {Host} [agent]
 */
export function processor(plugin, about, agent) {
    const instance = new Instance(plugin, about, agent);
    const judge = (/** @type {any} */ series) =>
        instance.call([], other, (one) => {
            const verdict = made(one.mapSeries(seriesFromAgent(series)), 'mapSeries');
            return verdict === KEEP || verdict === DROP ? verdict : { tag: 'change', val: seriesToAgent(verdict) };
        });
    return {
        ...instance.common(),
        mapSeries: (/** @type {any[]} */ series) =>
            series.map((one) => {
                try {
                    return judge(one);
                } catch (error) {
                    return { tag: 'fail', val: error };
                }
            }),
    };
}

/**
 * A backend for the agent.
 * @param {typeof import('./kinds.js').Backend} plugin
 * @param {About} about
 * @param {Host} [agent]
 */
export function backend(plugin, about, agent) {
    const instance = new Instance(plugin, about, agent);
    // Where the contract has no error, an exception would end the instance without a word: the next write says it.
    let broken = /** @type {any} */ (undefined);
    const note = (/** @type {(one: any) => void} */ body) => {
        try {
            instance.call([], brokenBy, body);
        } catch (error) {
            broken ??= error;
        }
    };
    return {
        ...instance.common(),
        define: (/** @type {any[]} */ definitions) =>
            note((one) => one.define(definitions.map(({ id, series }) => ({ id, series: seriesFromAgent(series) })))),
        write: (/** @type {any} */ columns) => {
            if (broken) {
                throw broken;
            }
            const points = Array.from(columns.series, (series, place) => ({
                series,
                timestampMs: Number(columns.timestampsMs[place]),
                value: columns.values[place],
            }));
            instance.call(['retry', 'reject', 'denied'], retryOrBroken, (one) => {
                if (points.length > 0) {
                    notPromised(one.write(points), 'write');
                }
            });
            return { points: points.length };
        },
        forget: (/** @type {number[]} */ ids) => note((one) => one.forget(ids)),
    };
}

/** The place of the one instance that a component holds. */
class Instance {
    /**
     * @param {any} plugin
     * @param {About} about
     * @param {Host} [agent] Whom the instance belongs to; without one it is whoever is there already.
     */
    constructor(plugin, about, agent) {
        this.plugin = plugin;
        this.agent = agent;
        this.description = describe(plugin, about);
        /** @type {any} */
        this.one = undefined;
    }

    /** The functions that all kinds have. */
    common() {
        return {
            describe: () => this.description,
            open: (/** @type {string} */ settings) =>
                translated(['settings', 'denied'], other, () => {
                    if (this.agent) {
                        attach(this.agent);
                    }
                    this.one = new this.plugin(readSettings(this.plugin.settings, JSON.parse(settings)));
                }),
            close: () => {
                try {
                    this.one?.close();
                } catch (error) {
                    complain(error);
                }
                this.one = undefined;
            },
        };
    }

    /**
     * Calls the plugin.
     * @template T
     * @param {string[]} known
     * @param {(error: any) => any} otherwise
     * @param {(one: any) => T} body
     */
    call(known, otherwise, body) {
        return translated(known, otherwise, () => body(this.one));
    }
}

/**
 * Runs a plugin's code and throws what it throws in the contract's words: as it is, if it is one of the errors that
 * are known here, and else what `otherwise` makes of it.
 * @template T
 * @param {string[]} known
 * @param {(error: any) => any} otherwise
 * @param {() => T} body
 */
function translated(known, otherwise, body) {
    try {
        return body();
    } catch (/** @type {any} */ error) {
        throw known.includes(error?.payload?.tag) ? error.payload : otherwise(error);
    }
}

/** @param {any} error */
function other(error) {
    return { tag: 'other', val: complain(error) };
}

/** @param {any} error */
function brokenBy(error) {
    return { tag: 'broken', val: complain(error) };
}

/** @param {any} error */
function retryOrBroken(error) {
    if (error?.payload?.tag === 'unavailable') {
        return { tag: 'retry', val: { afterMs: undefined, message: error.message } };
    }
    return brokenBy(error);
}

/**
 * The text of an error. Where it is none of the contract's, the log gets its stack, for the plugin's author.
 * @param {any} error
 */
function complain(error) {
    if (!error?.payload && error?.stack) {
        log('error', `${error}\n${error.stack}`);
    }
    // "Error: " says nothing; "TypeError: " says that the code is wrong.
    return text(error?.payload || error?.name === 'Error' ? error.message : error);
}

/**
 * What a function of the plugin returned, if it returned anything that can be used.
 * @param {any} result
 * @param {string} name
 */
function made(result, name) {
    notPromised(result, name);
    if (result === undefined || result === null) {
        throw new Error(`${name} has returned nothing`);
    }
    return result;
}

/**
 * @param {any} result
 * @param {string} name
 */
function notPromised(result, name) {
    if (typeof result?.then === 'function') {
        throw new Error(`${name} is async: write it without, nothing here needs to be awaited`);
    }
}

/** @param {import('./values.js').Sample} value */
function valueToAgent({ endpoint, metric, tags, metricType, value, timestampMs, stepS }) {
    return {
        endpoint: endpoint === undefined ? undefined : text(endpoint),
        metric: text(metric),
        tags: tagsToAgent(tags),
        metricType: typeToAgent(metricType, metric),
        value: Number(value),
        timestampMs: timestampMs === undefined ? undefined : Math.round(timestampMs),
        stepS: whole(stepS),
    };
}

/**
 * @param {Columns} columns
 * @param {import('./kinds.js').Run} run
 */
function batchToAgent({ forgotten, defined, points }, run) {
    const define = Array.from(defined, ([id, { endpoint, metric, tags, metricType, stepS }]) => ({
        id,
        endpoint: endpoint === undefined ? undefined : text(endpoint),
        metric: text(metric),
        tags: tagsToAgent(tags),
        metricType: typeToAgent(metricType, metric),
        stepS: whole(stepS),
    }));
    // Where there are no timestamps at all, each value is of the run's own time.
    const timed = points.some(({ timestampMs }) => timestampMs !== undefined);
    return {
        forget: forgotten.slice(),
        define,
        points: {
            series: points.map(({ series }) => Number(whole(series))),
            timestampsMs: timed ? points.map(({ timestampMs }) => Math.round(Number(timestampMs ?? run.timestampMs))) : [],
            values: points.map(({ value }) => value),
        },
    };
}

/** @param {import('./kinds.js').Series} series */
function seriesToAgent({ endpoint, metric, tags, metricType, stepS }) {
    return {
        endpoint: text(endpoint),
        metric: text(metric),
        tags: tagsToAgent(tags),
        metricType: typeToAgent(metricType, metric),
        stepS: whole(stepS),
    };
}

/**
 * @param {string} metricType
 * @param {string} metric
 */
function typeToAgent(metricType, metric) {
    if (!['gauge', 'counter', 'derive'].includes(metricType)) {
        throw new Error(`${metric}: the type is none of gauge, counter, derive: ${metricType}`);
    }
    return metricType;
}

/** @param {Record<string, string | number>} [tags] */
function tagsToAgent(tags = {}) {
    return Object.entries(tags).map(([key, value]) => [text(key), text(value)]);
}

/** @param {any} series */
function seriesFromAgent({ endpoint, metric, tags, metricType, stepS }) {
    return { endpoint, metric, tags: Object.fromEntries(tags), metricType, stepS };
}
