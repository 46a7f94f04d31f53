import assert from 'node:assert/strict';
import { test } from 'node:test';

import SmallestProcessor from '../src/plugin.js';
import { DROP } from '../../../../plugins/sdk/javascript/saker.js';
import { open } from '../../../../plugins/sdk/javascript/testing.js';

const SERIES = { endpoint: 'web-1', metric: 'load.one', tags: {}, metricType: 'gauge', stepS: 10 };

function judged(series) {
    return open(SmallestProcessor, { rack: 'r12', drop: ['snmp.'] }).mapSeries({ ...SERIES, ...series });
}

test('a series gets the rack in place of any other', () => {
    assert.deepEqual(judged({ tags: { rack: 'old', zone: 'a' } }), { ...SERIES, tags: { rack: 'r12', zone: 'a' } });
});

test('what nobody wants is dropped', () => {
    assert.equal(judged({ metric: 'snmp.in' }), DROP);
});

test('a rack without a name is rejected', () => {
    assert.throws(() => open(SmallestProcessor, { rack: '' }), { message: "rack: empty; write the rack's name" });
});
