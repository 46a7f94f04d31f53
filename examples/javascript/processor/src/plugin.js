/** The `smallest-processor`: says in which rack a host stands, and drops metrics by their beginning. */

import { DROP, Processor, WrongSetting } from '../../../../plugins/sdk/javascript/saker.js';

export default class SmallestProcessor extends Processor {
    static summary = "Tags every series with the host's rack";

    /** The agent checks what the operator has set against these. One without a default must be set. */
    static settings = {
        rack: { type: 'string', description: 'The rack that this host stands in.' },
        drop: {
            type: 'array',
            items: { type: 'string' },
            default: [],
            description: 'How the names of metrics begin that nobody wants.',
        },
    };

    constructor(settings) {
        super(settings);
        if (settings.rack === '') {
            throw new WrongSetting("rack: empty; write the rack's name");
        }
    }

    /** Called once for every new series. */
    mapSeries(series) {
        const { rack, drop } = this.settings;
        if (drop.some((beginning) => series.metric.startsWith(beginning))) {
            return DROP;
        }
        return { ...series, tags: { ...series.tags, rack } };
    }
}
