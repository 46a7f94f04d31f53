import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Malformed } from '../lib/errors.js';
import { number, pairs, tagValue, words } from '../lib/text.js';

test('numbers are decimal and finite', () => {
    assert.equal(number(' 2.5\n', 'p'), 2.5);
    assert.deepEqual(['-1', '+1', '.5', '5.', '1e3', '18446744073709551615'].map((text) => number(text, 'p')), [
        -1, 1, 0.5, 5, 1000, 2 ** 64,
    ]);
    for (const text of ['', ' ', 'x', 'inf', 'Infinity', 'NaN', '0x10', '1 2', '1e999', '.']) {
        assert.throws(() => number(text, 'p'), Malformed, text);
    }
});

test('an error tells the place, what was expected and what was found', () => {
    assert.throws(() => number(' many\n', '/proc/x'), { message: '/proc/x: expected a number, found "many"' });
    assert.throws(() => number(undefined, 'p'), { message: 'p: expected a number, found nothing' });
    assert.ok(new Malformed('p', 'less', 'x'.repeat(5000)).message.length < 120);
});

test('words stand between white space', () => {
    assert.deepEqual(words(' 0.20\t0.18  0.12\n'), ['0.20', '0.18', '0.12']);
    assert.deepEqual(words(' \n'), []);
});

test('pairs are split at a colon or at white space', () => {
    assert.deepEqual(pairs('MemTotal:  5 kB\npgfault 7 \n\tcpu cores\t: 4\nlonely\n\n'), [
        ['MemTotal', '5 kB'],
        ['pgfault', '7'],
        ['cpu', 'cores\t: 4'],
    ]);
});

test('a tag holds nothing that would end it', () => {
    assert.equal(tagValue('/mnt/a,b=c\nd e\x7f'), '/mnt/a,b=c_d e_');
});
