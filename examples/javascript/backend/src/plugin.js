/** The `smallest-backend`: posts points as lines of `endpoint,metric,tags,milliseconds,value`. */

import { Backend, connect, Target } from '../../../../plugins/sdk/javascript/saker.js';

export default class SmallestBackend extends Backend {
    static summary = 'Posts points as lines of text';
    static requests = [connect('<host:port of url>', 'the points are posted there')];

    /** The agent checks what the operator has set against these. One without a default must be set. */
    static settings = {
        url: { type: 'string', description: 'Where to post: http://host:port/path.' },
    };

    constructor(settings) {
        super(settings);
        this.target = new Target(settings.url);
        /** The text that stands for a series is built once, when the series is defined. */
        this.heads = new Map();
    }

    /** Called before points of new series come. */
    define(definitions) {
        for (const { id, series } of definitions) {
            const tags = Object.entries(series.tags).map(([key, value]) => `${key}=${value}`);
            this.heads.set(id, `${series.endpoint},${series.metric},${tags.join(';')}`);
        }
    }

    /** Called with up to ten thousand points at once. */
    write(points) {
        let body = '';
        for (const { series, timestampMs, value } of points) {
            body += `${this.heads.get(series)},${timestampMs},${value}\n`;
        }
        // Whatever the server answers becomes: taken, to be tried again, or rejected for good.
        this.target.post(body, { 'content-type': 'text/csv' }).written();
    }

    /** Called when series are gone. Their handles may stand for others later. */
    forget(ids) {
        for (const id of ids) {
            this.heads.delete(id);
        }
    }
}
