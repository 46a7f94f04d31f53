/**
 * Values in columns, for a collector that brings hundreds of values of the same series at every run:
 *
 *     collect() {
 *         for (const [name, size] of this.sizes()) {
 *             let handle = this.handles.get(name);
 *             if (handle === undefined) {
 *                 handle = this.columns.define(gauge('file.bytes', 0, { file: name }));
 *                 this.handles.set(name, handle);
 *             }
 *             this.columns.add(handle, size);
 *         }
 *         return this.columns;
 *     }
 *
 * A series' name and tags cross to the agent once; a value of it costs 20 bytes and no text ever after.
 *
 * @module
 */

/**
 * @typedef {import('./values.js').Sample} Sample
 *
 * @typedef {object} ColumnPoint One value of a run.
 * @property {number} series The handle of its series.
 * @property {number} value
 * @property {number} [timestampMs] If it is not of the run's own time.
 */

/** The series that a collector has defined, and the values of the run under way. */
export class Columns {
    constructor() {
        /** @type {Map<number, Sample>} */
        this.defined = new Map();
        /** @type {number[]} */
        this.forgotten = [];
        /** Handles that stand for nothing, to be given again from the next run on. @type {number[]} */
        this.free = [];
        /** Handles that stand for a series. @type {Set<number>} */
        this.known = new Set();
        this.next = 0;
        /** @type {ColumnPoint[]} */
        this.points = [];
    }

    /**
     * Gives the series of this value a handle. What the value is, and of when, does not matter.
     * @param {Sample} series
     * @returns {number}
     */
    define(series) {
        const handle = this.free.pop() ?? this.next++;
        this.known.add(handle);
        this.defined.set(handle, series);
        return handle;
    }

    /**
     * Takes a handle back: of a container that has gone, for one. Its values of this run go as well.
     * @param {number} handle
     */
    forget(handle) {
        if (!this.known.delete(handle)) {
            return;
        }
        this.points = this.points.filter(({ series }) => series !== handle);
        this.defined.delete(handle);
        this.forgotten.push(handle);
    }

    /**
     * Adds a value of the run's own time, or of another.
     * @param {number} handle
     * @param {number} value
     * @param {number} [timestampMs] In milliseconds since 1970.
     */
    add(handle, value, timestampMs) {
        this.points.push({ series: handle, value: Number(value), timestampMs });
    }

    /** Begins a run. Values of one that has failed are gone; what was defined is yet to be handed over. */
    begin() {
        this.points = [];
    }

    /** What was defined and forgotten so far has been handed over. */
    taken() {
        this.free.push(...this.forgotten);
        this.defined.clear();
        this.forgotten = [];
    }
}
