import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { Denied, Unavailable } from '../lib/errors.js';
import { listFolder, readText, readTextIfThere } from '../lib/files.js';
import { attach, counterAdd, filesystemUsage, gaugeSet, gzip, loadState, log, saveState } from '../lib/host.js';
import { read } from '../lib/permissions.js';
import { fakeHost } from '../testing.js';

let host;
beforeEach(() => {
    host = fakeHost();
});

test('without an agent it is said what to do', () => {
    attach(undefined);
    assert.throws(() => log('info', 'x'), /call fakeHost\(\) of sdk\/testing\.js first/);
});

test('lines are logged', () => {
    log('warn', 'careful');
    assert.deepEqual(host.logged, [{ level: 'warn', message: 'careful' }]);
    assert.throws(() => log('warning', 'x'), TypeError);
});

test('state is JSON, and what is none counts as nothing', () => {
    assert.equal(loadState(), undefined);
    saveState({ totals: [1, 'ü'] });
    assert.deepEqual(loadState(), { totals: [1, 'ü'] });
    host.state = '{"totals"';
    assert.equal(loadState(), undefined);
});

test('files are read, missing or denied', () => {
    host.files = { '/proc/a': 'text\n', '/proc/net/b': '', '/secret': new Denied(read('/secret')) };
    assert.equal(readText('/proc/a'), 'text\n');
    assert.equal(readTextIfThere('/proc/c'), undefined);
    assert.throws(() => readText('/proc/c'), { message: '/proc/c: no such file' });
    assert.throws(() => readTextIfThere('/secret'), Denied);
    assert.deepEqual(listFolder('/proc'), ['a', 'net']);
    assert.throws(() => listFolder('/sys'), Unavailable);
});

test('file systems are asked for their fill', () => {
    host.usages['/'] = { totalBytes: 10, freeBytes: 4, availableBytes: 3, totalInodes: 0, freeInodes: 0 };
    assert.equal(filesystemUsage('/').freeBytes, 4);
    assert.throws(() => filesystemUsage('/x'), Unavailable);
});

test('custom metrics add up or are set', () => {
    counterAdd('reads', 1);
    counterAdd('reads', 2);
    gaugeSet('size', 5);
    assert.deepEqual(host.customMetrics, { reads: 3, size: 5 });
});

test('text is compressed', () => {
    assert.equal(gunzipSync(gzip('süß')).toString(), 'süß');
});
