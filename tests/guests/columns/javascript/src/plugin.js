/** Brings a hundred values in columns, of which one comes and goes. */

import { Collector, gauge } from '../sdk/saker.js';

const MOST = 100;

export default class Columns extends Collector {
    static summary = 'Brings values in columns';

    runs = 0;
    handles = [];

    collect({ timestampMs }) {
        const most = MOST - (this.runs % 2);
        if (most < MOST) {
            this.columns.forget(this.handles.pop());
        }
        for (let place = this.handles.length; place < most; place++) {
            this.handles.push(this.columns.define(gauge('columns.value', 0, { place })));
        }
        this.handles.forEach((handle, place) => this.columns.add(handle, place + 0.5));
        this.columns.add(this.handles[0], this.runs, timestampMs - 1000);
        this.runs++;
        return this.columns;
    }
}
