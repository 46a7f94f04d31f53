import assert from 'node:assert/strict';
import { test } from 'node:test';

import SmallestBackend from '../src/plugin.js';
import { Reject, Retry } from '../../../../plugins/sdk/javascript/saker.js';
import { fakeHost, open } from '../../../../plugins/sdk/javascript/testing.js';

const SERIES = { endpoint: 'web-1', metric: 'load.one', tags: { cpu: '0', zone: 'a' }, metricType: 'gauge', stepS: 10 };
const POINTS = [
    { series: 7, timestampMs: 1700000000000, value: 0.5 },
    { series: 7, timestampMs: 1700000010000, value: 2 },
];

function backend() {
    const backend = open(SmallestBackend, { url: 'http://store:9000/points' });
    backend.define([{ id: 7, series: SERIES }]);
    return backend;
}

test('points are posted as lines', () => {
    const host = fakeHost();
    backend().write(POINTS);
    assert.deepEqual(
        host.posted.map(({ body }) => body),
        ['web-1,load.one,cpu=0;zone=a,1700000000000,0.5\nweb-1,load.one,cpu=0;zone=a,1700000010000,2\n'],
    );
});

test('a busy server is asked again, and an unwilling one is not', () => {
    const host = fakeHost();
    host.answers.push({ status: 503, retryAfterS: 3, body: 'no' }, { status: 400, body: 'no' });
    assert.throws(() => backend().write(POINTS), Retry);
    assert.throws(() => backend().write(POINTS), Reject);
});

test('a handle that is given back stands for nothing', () => {
    const one = backend();
    one.forget([7]);
    assert.equal(one.heads.size, 0);
});
