/**
 * Counters as rates.
 *
 * @module
 */

/**
 * Makes rates of counters: it remembers the readings of one run until the next.
 *
 *     for (const [device, bytes] of readings) {
 *         const rate = this.rates.perSecond(device, bytes, run.timestampMs);
 *         if (rate !== undefined) values.push(gauge('net.bytes_per_s', rate, { device }));
 *     }
 *
 * A successor goes on where it was, if it is saved, `saveState(this.rates)`, and made of that, `new
 * Rates(loadState())`.
 */
export class Rates {
    #before = { atMs: NaN, totals: new Map() };
    #now = { atMs: NaN, totals: new Map() };

    /** @param {any} [saved] What another one was saved as. Anything else is taken for nothing. */
    constructor(saved) {
        if (Number.isFinite(saved?.atMs) && Array.isArray(saved?.totals)) {
            this.#now = { atMs: saved.atMs, totals: new Map(saved.totals.filter(Array.isArray)) };
        }
    }

    /**
     * How much a counter has grown in a second, since the run before. Undefined, if it was not read then, has gone
     * back, or no time has passed.
     * @param {string} key What tells this counter from others.
     * @param {number} total What it stands at.
     * @param {number} timestampMs The run's time, which is the same for all counters of a run.
     * @returns {number | undefined}
     */
    perSecond(key, total, timestampMs) {
        if (timestampMs !== this.#now.atMs) {
            this.#before = this.#now;
            this.#now = { atMs: timestampMs, totals: new Map() };
        }
        this.#now.totals.set(key, total);
        const before = this.#before.totals.get(key);
        const seconds = (timestampMs - this.#before.atMs) / 1000;
        return total >= before && seconds > 0 ? (total - before) / seconds : undefined;
    }

    /** The last readings, as JSON. */
    toJSON() {
        return { atMs: this.#now.atMs, totals: [...this.#now.totals] };
    }
}
