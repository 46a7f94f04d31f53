import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WrongSetting } from '../lib/errors.js';
import { readSettings, schemaOf } from '../lib/settings.js';

const SAMPLE = {
    url: { type: 'string', description: 'Where to.' },
    most: { type: 'integer', minimum: 1, maximum: 9, default: 7 },
    form: { type: 'string', enum: ['json', 'influx'], default: 'json' },
    names: { type: 'array', items: { type: 'string' }, default: [] },
    labels: { type: 'object', additionalProperties: { type: 'number' }, default: {} },
    login: {
        type: 'object',
        properties: { user: { type: 'string' }, age: { type: 'number', default: 3 } },
        optional: true,
    },
    limit: { type: 'number', optional: true },
};

function error(given) {
    try {
        readSettings(SAMPLE, given);
    } catch (error) {
        assert.ok(error instanceof WrongSetting);
        return error.message;
    }
    throw new Error('nothing was wrong');
}

test('defaults fill what is left out', () => {
    const settings = readSettings(SAMPLE, { url: 'u', names: ['a'], login: { user: 'me' }, limit: 0.5 });
    assert.deepEqual(settings, {
        url: 'u', most: 7, form: 'json', names: ['a'], labels: {}, login: { user: 'me', age: 3 }, limit: 0.5,
    });
    assert.equal(readSettings(SAMPLE, { url: 'u' }).limit, undefined);
});

test('a default is nobody\'s to change', () => {
    readSettings(SAMPLE, { url: 'u' }).names.push('left by the first');
    assert.deepEqual(readSettings(SAMPLE, { url: 'u' }).names, []);
});

test('a wrong setting is named with what to write', () => {
    assert.equal(error({}), 'url: missing, and it has no default');
    assert.equal(error({ url: 1 }), 'url: expected a string, found 1');
    assert.equal(error({ url: null }), 'url: expected a string, found null');
    assert.equal(error({ url: 'u', most: 10 }), 'most: expected a whole number from 1 up to 9, found 10');
    assert.equal(error({ url: 'u', most: 1.5 }), 'most: expected a whole number from 1 up to 9, found 1.5');
    assert.equal(error({ url: 'u', form: 'xml' }), 'form: expected one of json, influx, found "xml"');
    assert.equal(error({ url: 'u', names: ['a', 2] }), 'names: item 1: expected a string, found 2');
    assert.equal(error({ url: 'u', names: 'a' }), 'names: expected a list, found "a"');
    assert.equal(error({ url: 'u', labels: { a: 'b' } }), 'labels.a: expected a number, found "b"');
    assert.equal(error({ url: 'u', login: {} }), 'login.user: missing, and it has no default');
    assert.equal(error({ url: 'u', login: { usr: 1 } }), 'login.usr: no such setting; there is user, age');
    assert.match(error({ url: 'u', mots: 1 }), /^mots: no such setting; there is url, most, /);
});

test('the schema tells types, defaults and descriptions', () => {
    assert.deepEqual(schemaOf({ url: SAMPLE.url, most: SAMPLE.most, limit: SAMPLE.limit }), {
        type: 'object',
        properties: {
            url: { type: 'string', description: 'Where to.' },
            most: { type: 'integer', minimum: 1, maximum: 9, default: 7 },
            limit: { type: 'number' },
        },
        required: ['url'],
        additionalProperties: false,
    });
    assert.deepEqual(schemaOf({ login: SAMPLE.login }).properties.login.required, ['user']);
});

test('what is not declared well is said with its place', () => {
    for (const [declared, message] of [
        [{ type: 'string', defualt: 'x' }, /settings\.a: there is no defualt; there is type,/],
        [{ type: 'text' }, /settings\.a: its type is one of string, /],
        [{ type: 'array', default: [] }, /settings\.a\.items: its type is one of/],
        [{ type: 'integer', default: 'x' }, /settings\.a\.default: expected a whole number/],
    ]) {
        assert.throws(() => schemaOf({ a: declared }), message);
    }
});
