import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import * as saker from '../saker.js';
import { backend, collector, processor } from '../lib/exports.js';
import { fakeHost } from '../testing.js';

const ABOUT = { name: 'sample', version: '1.2.3' };
const RUN = { timestampMs: 1_700_000_000_000, intervalMs: 10_000 };
const SERIES = { endpoint: 'e', metric: 'm', tags: [['__proto__', 'x'], ['k', 'v']], metricType: 'gauge', stepS: 10 };

let host;
beforeEach(() => {
    host = fakeHost();
});

/** What a call throws, in the contract's words. */
function thrown(call) {
    try {
        call();
    } catch (error) {
        return error;
    }
    throw new Error('nothing was thrown');
}

function collecting(collect, statics = {}) {
    const plugin = Object.assign(class extends saker.Collector {}, { summary: 'Measures', ...statics });
    plugin.prototype.collect = collect;
    const exported = collector(plugin, ABOUT);
    exported.open('{}');
    return exported;
}

test('values reach the agent in its form', () => {
    const values = collecting(() => [
        saker.gauge('a', 1.5, { core: 0 }),
        { ...saker.counter('b', 2), endpoint: 'other', timestampMs: 5.4, stepS: 60 },
    ]).collect(RUN);
    assert.equal(values.tag, 'records');
    assert.deepEqual(values.val, [
        {
            endpoint: undefined, metric: 'a', tags: [['core', '0']], metricType: 'gauge', value: 1.5,
            timestampMs: undefined, stepS: undefined,
        },
        { endpoint: 'other', metric: 'b', tags: [], metricType: 'counter', value: 2, timestampMs: 5, stepS: 60 },
    ]);
});

test('a generator is a list as well', () => {
    const values = collecting(function* () {
        yield saker.derive('a', 1);
    }).collect(RUN);
    assert.equal(values.val[0].metricType, 'derive');
});

test('columns reach the agent, and each series once', () => {
    let handle;
    let more = (columns) => { throw new Error('no luck'); };
    const exported = collecting(function () {
        handle ??= this.columns.define(saker.gauge('a', 0, { k: 'v' }));
        this.columns.add(handle, 1.5);
        more(this.columns);
        return this.columns;
    });
    const collected = (next) => {
        more = next;
        return exported.collect(RUN);
    };
    assert.deepEqual(thrown(() => exported.collect(RUN)), { tag: 'other', val: 'no luck' });
    const { tag, val } = collected(() => {});
    assert.equal(tag, 'columns');
    assert.deepEqual(val.define, [
        { id: 0, endpoint: undefined, metric: 'a', tags: [['k', 'v']], metricType: 'gauge', stepS: undefined },
    ]);
    assert.deepEqual(val.points, { series: [0], timestampsMs: [], values: [1.5] });
    const timed = collected((columns) => columns.add(handle, 2, 7)).val;
    assert.deepEqual(timed.define, []);
    assert.deepEqual(timed.points, { series: [0, 0], timestampsMs: [RUN.timestampMs, 7], values: [1.5, 2] });
    // It is free once, and what was never given is not free at all.
    const gone = collected((columns) => [handle, handle, 7].forEach((one) => columns.forget(one))).val;
    assert.deepEqual([gone.forget, gone.points.series], [[0], []]);
    collected((columns) => assert.deepEqual([0, 1].map(() => columns.define(saker.gauge('b', 0))), [0, 1]));
});

test('errors of the contract stay what they are', () => {
    const errors = [
        new saker.Denied(saker.read('/p')),
        new saker.Unavailable('gone'),
        new saker.Malformed('p', 'x', 'y'),
    ];
    const payloads = errors.map((error) => thrown(() => collecting(() => { throw error; }).collect(RUN)));
    assert.deepEqual(payloads, [
        { tag: 'denied', val: { tag: 'read', val: '/p' } },
        { tag: 'unavailable', val: 'gone' },
        { tag: 'malformed', val: 'p: expected x, found "y"' },
    ]);
    assert.deepEqual(host.logged, []);
});

test('any other error becomes its text, and its stack is logged', () => {
    const other = (body) => thrown(() => collecting(body).collect(RUN));
    assert.deepEqual(other(() => { throw new Error('no luck'); }), { tag: 'other', val: 'no luck' });
    assert.deepEqual(other(() => { throw 'text \ud800'; }), { tag: 'other', val: 'text \ufffd' });
    assert.deepEqual(other(() => { throw new saker.Reject('never'); }), { tag: 'other', val: 'never' });
    assert.match(other(() => undefined.x).val, /^TypeError: /);
    assert.match(host.logged.at(-1).message, /exports\.test\.js/);
});

test('what collect may not return is said', () => {
    const other = (body) => thrown(() => collecting(body).collect(RUN)).val;
    assert.equal(other(() => {}), 'collect has returned nothing');
    assert.match(other(async () => []), /^collect is async: /);
    assert.match(other(() => [{ metric: 'a', metricType: 'GAUGE', value: 1 }]), /^a: the type is none of gauge, /);
    assert.match(other(() => [saker.gauge('a', undefined)]), /^TypeError: a: the value is no number: undefined/);
});

test('settings are checked before an instance is made', () => {
    const settings = { proc: { type: 'string', default: '/proc' } };
    const exported = collecting(function () { return [saker.gauge(this.settings.proc, 1)]; }, { settings });
    exported.open('{"proc": "/p"}');
    assert.equal(exported.collect(RUN).val[0].metric, '/p');
    assert.deepEqual(thrown(() => exported.open('{"proc": 1}')), {
        tag: 'settings', val: 'proc: expected a string, found 1',
    });
    assert.equal(thrown(() => exported.open('{')).tag, 'other');
});

test('a processor keeps, drops, changes or fails', () => {
    const exported = processor(
        class extends saker.Processor {
            static summary = 'Judges';
            mapSeries(series) {
                switch (series.metric) {
                    case 'keep': return saker.KEEP;
                    case 'drop': return saker.DROP;
                    case 'fail': throw new Error('no idea');
                    case 'forget': return undefined;
                    default: return { ...series, tags: { ...series.tags, rack: 'r' } };
                }
            }
        },
        ABOUT,
    );
    exported.open('{}');
    const asked = ['keep', 'drop', 'fail', 'forget', 'm'].map((metric) => ({ ...SERIES, metric }));
    assert.deepEqual(exported.mapSeries(asked), [
        { tag: 'keep' },
        { tag: 'drop' },
        { tag: 'fail', val: { tag: 'other', val: 'no idea' } },
        { tag: 'fail', val: { tag: 'other', val: 'mapSeries has returned nothing' } },
        { tag: 'change', val: { ...SERIES, tags: [...SERIES.tags, ['rack', 'r']] } },
    ]);
});

function writing(methods) {
    const plugin = Object.assign(class extends saker.Backend {}, { summary: 'Writes' });
    Object.assign(plugin.prototype, { define() {}, forget() {} }, methods);
    const exported = backend(plugin, ABOUT);
    exported.open('{}');
    return exported;
}

const POINTS = [{ series: 3, timestampMs: 1, value: 2 }];
const COLUMNS = { series: [3], timestampsMs: [1], values: [2] };

test('a backend is given what is defined, written and forgotten', () => {
    const seen = [];
    const exported = writing({
        define: (definitions) => seen.push(definitions),
        write: (points) => void seen.push(points),
        forget: (ids) => seen.push(ids),
    });
    exported.define([{ id: 3, series: SERIES }]);
    assert.deepEqual(exported.write(COLUMNS), { points: 1 });
    exported.forget([3]);
    assert.deepEqual(seen[0][0].id, 3);
    assert.deepEqual(Object.entries(seen[0][0].series.tags), SERIES.tags);
    assert.deepEqual(seen.slice(1), [POINTS, [3]]);
});

test('an empty batch does not reach the plugin', () => {
    const exported = writing({ write: () => assert.fail() });
    assert.deepEqual(exported.write({ series: [], timestampsMs: [], values: [] }), { points: 0 });
});

test('errors of a write say what is to be done', () => {
    const payload = (error) => thrown(() => writing({ write() { throw error; } }).write(COLUMNS));
    for (const [error, tag, val] of [
        [new saker.Retry('busy', 1500.2), 'retry', { afterMs: 1500, message: 'busy' }],
        [new saker.Reject('no', [0]), 'reject', { points: [0], message: 'no' }],
        [new saker.Denied(saker.connect('h:1')), 'denied', { tag: 'connect', val: 'h:1' }],
        [new saker.Unavailable('away'), 'retry', { afterMs: undefined, message: 'away' }],
        [new Error('odd'), 'broken', 'odd'],
    ]) {
        assert.deepEqual(payload(error), { tag, val });
    }
});

test('what goes wrong where the contract has no error is said by the next write', () => {
    for (const wrong of ['define', 'forget']) {
        const exported = writing({ [wrong]() { throw new Error(`in ${wrong}`); }, write() {} });
        exported[wrong]([]);
        assert.deepEqual(thrown(() => exported.write(COLUMNS)), { tag: 'broken', val: `in ${wrong}` });
    }
    const exported = writing({ close() { throw new Error('late'); } });
    exported.close();
    assert.match(host.logged.at(-1).message, /late/);
});
