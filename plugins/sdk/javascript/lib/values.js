/**
 * Metric values. They are plain objects: add `endpoint`, `timestampMs` or `stepS` where they are not the agent's own,
 * as in `{ ...gauge('ping.ms', 3), endpoint: 'web-1' }`.
 *
 * @module
 */

/**
 * @typedef {'gauge' | 'counter' | 'derive'} MetricType
 *
 * @typedef {object} Sample
 * @property {string} metric Its name, such as `cpu.idle`.
 * @property {MetricType} metricType How the value is to be read.
 * @property {number} value
 * @property {Record<string, string | number>} tags
 * @property {string} [endpoint] Whose value it is. Left out, it is the agent's own endpoint.
 * @property {number} [timestampMs] When it was true, in milliseconds since 1970. Left out, it is the run's time.
 * @property {number} [stepS] How often it is measured, in seconds. Left out, it is the run's interval.
 */

/**
 * A level that stands for itself.
 * @param {string} metric
 * @param {number} value
 * @param {Record<string, string | number>} [tags]
 */
export const gauge = (metric, value, tags) => make('gauge', metric, value, tags);

/**
 * A total that only grows, and starts again at zero when its source restarts.
 * @param {string} metric
 * @param {number} value
 * @param {Record<string, string | number>} [tags]
 */
export const counter = (metric, value, tags) => make('counter', metric, value, tags);

/**
 * A total that may grow or shrink, stored as its rate of change.
 * @param {string} metric
 * @param {number} value
 * @param {Record<string, string | number>} [tags]
 */
export const derive = (metric, value, tags) => make('derive', metric, value, tags);

/**
 * @param {MetricType} metricType
 * @param {string} metric
 * @param {number} value
 * @param {Record<string, string | number>} [tags]
 * @returns {Sample}
 */
function make(metricType, metric, value, tags = {}) {
    // Said here, where the stack still tells which line it was.
    if (typeof value !== 'number') {
        throw new TypeError(`${metric}: the value is no number: ${value}`);
    }
    return { metric, metricType, value, tags };
}
