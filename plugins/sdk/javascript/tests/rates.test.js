import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Rates } from '../lib/rates.js';

test('a rate needs two readings', () => {
    const rates = new Rates();
    assert.equal(rates.perSecond('a', 100, 1000), undefined);
    assert.equal(rates.perSecond('b', 7, 1000), undefined);
    assert.equal(rates.perSecond('a', 150, 6000), 10);
    assert.equal(rates.perSecond('b', 7, 6000), 0);
});

test('a counter that went back, and time that did, give none', () => {
    const rates = new Rates();
    rates.perSecond('a', 100, 1000);
    assert.equal(rates.perSecond('a', 99, 2000), undefined);
    assert.equal(rates.perSecond('a', 109, 3000), 10);
    assert.equal(rates.perSecond('a', 110, 2500), undefined);
});

test('what was not there in the run before is forgotten', () => {
    const rates = new Rates();
    rates.perSecond('gone', 1, 1000);
    rates.perSecond('here', 1, 1000);
    rates.perSecond('here', 2, 2000);
    assert.equal(rates.perSecond('gone', 2, 3000), undefined);
    assert.deepEqual(rates.toJSON(), { atMs: 3000, totals: [['gone', 2]] });
});

test('a successor goes on, and takes nonsense for nothing', () => {
    const rates = new Rates();
    rates.perSecond('a', 100, 1000);
    const saved = JSON.parse(JSON.stringify(rates));
    assert.equal(new Rates(saved).perSecond('a', 120, 2000), 20);
    for (const nonsense of [undefined, null, 1, 'x', {}, { atMs: 'x', totals: [] }, { atMs: 1, totals: [3, null] }]) {
        assert.equal(new Rates(nonsense).perSecond('a', 120, 2000), undefined);
    }
});
