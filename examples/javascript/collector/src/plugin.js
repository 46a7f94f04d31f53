/** The `smallest-collector`: how many processes have wanted a processor of late, from `/proc/loadavg`. */

import { Collector, gauge, number, read, readText, words } from '../../../../plugins/sdk/javascript/saker.js';

export default class SmallestCollector extends Collector {
    static summary = 'The load averages of this host';
    static requests = [read('/proc', 'the figures are in /proc/loadavg')];

    /** The agent checks what the operator has set against these. */
    static settings = {
        proc: { type: 'string', default: '/proc', description: 'The proc file system.' },
    };

    /** Called on every run. */
    collect() {
        const path = `${this.settings.proc}/loadavg`;
        return values(readText(path), path);
    }
}

/** The file begins with three means: over one, five and fifteen minutes. */
export function values(text, path) {
    const [one, five, fifteen] = words(text);
    return [
        gauge('load.one', number(one, path)),
        gauge('load.five', number(five, path)),
        gauge('load.fifteen', number(fifteen, path)),
    ];
}
