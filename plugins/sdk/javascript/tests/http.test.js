import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Denied, Reject, Retry, WrongSetting } from '../lib/errors.js';
import { Response, Target } from '../lib/http.js';
import { connect } from '../lib/permissions.js';
import { fakeHost } from '../testing.js';

test('an address is taken apart', () => {
    const { tls, authority, path } = new Target('http://127.0.0.1:8086/write?db=x');
    assert.deepEqual([tls, authority, path], [false, '127.0.0.1:8086', '/write?db=x']);
    assert.equal(new Target('https://h').address, 'h:443');
    assert.equal(new Target('https://h').path, '/');
    assert.equal(new Target('http://[::1]/x').address, '[::1]:80');
    assert.equal(new Target('http://[::1]:81/x').address, '[::1]:81');
    assert.equal(new Target('http://h?a=b').path, '/?a=b');
});

test('a unix socket is named by its path in hexadecimal digits', () => {
    const { tls, socket, authority, path, address } = Target.unix('/run/docker.sock', '/info');
    assert.deepEqual([tls, socket, path, address], [false, '/run/docker.sock', '/info', '/run/docker.sock']);
    assert.equal(authority, '2f72756e2f646f636b65722e736f636b');
});

test('an unusable address says what to write, and repeats no secret', () => {
    for (const [url, what] of [
        ['127.0.0.1:8086', 'neither http:// nor https://'],
        ['http:///write', 'no host'],
        ['http://:80/', 'no host'],
        ['http://me:secret@h/', 'a user name'],
        ['http://h:/', 'no valid port'],
        ['http://h:99999/', 'no valid port'],
        ['http://h:0/', 'no valid port'],
        ['http://h:secret', 'no valid port'],
        ['http://[::1]:x/', 'no valid port'],
        ['http://fe80::1/', 'an IPv6 address without brackets'],
        ['http://[::1/', 'an IPv6 address without brackets'],
        ['http://h/a b', 'a character'],
        ['http://h/#a', 'a character'],
        ['http://h\n/', 'a character'],
    ]) {
        assert.throws(
            () => new Target(url),
            (error) => {
                assert.ok(error instanceof WrongSetting);
                assert.ok(error.message.startsWith(`url: ${what}`), `${url}: ${error.message}`);
                assert.match(error.message, /; write http:\/\/host:port\/path$/);
                return !error.message.includes('secret');
            },
        );
    }
    assert.throws(() => new Target('x', 'archive.url'), { message: /^archive\.url: neither/ });
});

test('a status decides between taken, again and never', () => {
    const answer = (status, retryAfterS) => new Response({ status, retryAfterS, body: 'why\n' });
    answer(204).written();
    for (const status of [400, 409, 413, 415, 422]) {
        assert.throws(() => answer(status).written(), Reject);
    }
    for (const status of [302, 401, 403, 404, 408, 429, 500, 503]) {
        assert.throws(() => answer(status).written(), Retry);
    }
    assert.throws(() => answer(429, 3).written(), {
        payload: { tag: 'retry', val: { afterMs: 3000, message: '429 why' } },
    });
});

test('requests are remembered and answered by the fake host', () => {
    const host = fakeHost();
    host.answers.push({ status: 503, retryAfterS: 1, body: 'no' }, new Denied(connect('h:80')));
    const target = new Target('http://h/x');
    const answer = target.post('süß', { 'content-type': 'text/plain' });
    assert.deepEqual({ ...answer }, { status: 503, retryAfterS: 1, body: 'no' });
    assert.throws(() => target.get(), Denied);
    assert.equal(target.get().status, 204);
    const [first] = host.posted;
    assert.deepEqual([first.method, first.body, first.bytes.length], ['post', 'süß', 5]);
    assert.deepEqual(first.headers, { 'content-type': 'text/plain' });
});
