import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describe } from '../lib/describe.js';
import { Backend, Collector, kindOf, Processor } from '../lib/kinds.js';
import { read, stdout } from '../lib/permissions.js';

const ABOUT = { name: 'sample', version: '1.2.3' };

class Sample extends Collector {
    static summary = 'Does something';
    static requests = [read('/proc', 'the figures are there'), stdout('it prints')];
    static settings = { proc: { type: 'string', default: '/proc' } };
    static everyMs = 5000;
}

test('a description has all that the contract wants', () => {
    const { settingsSchema, ...rest } = describe(Sample, ABOUT);
    assert.deepEqual(rest, {
        name: 'sample',
        version: '1.2.3',
        summary: 'Does something',
        permissions: [
            { permission: { tag: 'read', val: '/proc' }, reason: 'the figures are there' },
            { permission: { tag: 'stdout', val: undefined }, reason: 'it prints' },
        ],
        defaultIntervalMs: 5000,
    });
    assert.equal(JSON.parse(settingsSchema).additionalProperties, false);
});

test('what is missing in it is named', () => {
    assert.throws(() => describe(Sample, { ...ABOUT, name: '@me/x' }), /package\.json: name: expected lower-case/);
    assert.throws(() => describe(Sample, { ...ABOUT, version: undefined }), /package\.json: version: missing/);
    assert.throws(() => describe(class extends Sample { static summary = ' '; }, ABOUT), /summary: missing/);
    const silent = class extends Sample { static requests = [read('/proc')]; };
    assert.throws(() => describe(silent, ABOUT), /requests: read \/proc: say/);
    assert.throws(() => describe(class extends Sample { static everyMs = 0.5; }, ABOUT), /everyMs: expected whole/);
});

test('a class is known by what it extends', () => {
    assert.equal(kindOf(Sample), 'collector');
    assert.equal(kindOf(class extends Processor {}), 'processor');
    assert.equal(kindOf(class extends Backend {}), 'backend');
    for (const other of [undefined, {}, class {}, () => 1]) {
        assert.equal(kindOf(other), undefined);
    }
});
