import assert from 'node:assert/strict';
import { test } from 'node:test';

import SmallestCollector, { values } from '../src/plugin.js';
import { fakeHost, open } from '../../../../plugins/sdk/javascript/testing.js';

/** Metrics and values alone. */
const brief = (values) => values.map(({ metric, value }) => [metric, value]);

test('the three means are reported', () => {
    assert.deepEqual(brief(values('0.20 0.18 0.12 1/80 11206\n', '/proc/loadavg')), [
        ['load.one', 0.2],
        ['load.five', 0.18],
        ['load.fifteen', 0.12],
    ]);
});

test('nonsense is named with its place', () => {
    for (const [text, found] of [
        ['', 'nothing'],
        ['0.20 0.18', 'nothing'],
        ['0.20 0.18 many', '"many"'],
    ]) {
        assert.throws(() => values(text, '/proc/loadavg'), {
            message: `/proc/loadavg: expected a number, found ${found}`,
        });
    }
});

test('the file is read where the settings say', () => {
    const host = fakeHost();
    host.files['/host/proc/loadavg'] = '1 2 3 1/80 11206\n';
    assert.equal(open(SmallestCollector, { proc: '/host/proc' }).collect().length, 3);
    assert.throws(() => open(SmallestCollector).collect(), { message: '/proc/loadavg: no such file' });
});
