/**
 * HTTP inside Wasm: wasi:http, which the agent serves; build.mjs says why it is called wasj here. It waits in place,
 * as every call of a plugin does.
 *
 * @module
 */

import { handle } from 'wasj:http/outgoing-handler@0.2.0';
import { Fields, OutgoingBody, OutgoingRequest } from 'wasj:http/types@0.2.0';

import { Denied, Unavailable } from '../lib/errors.js';
import { connect } from '../lib/permissions.js';
import { joined } from './bytes.js';

/** How much of an answer is read at once, in bytes. */
const READ_BYTES = 64 << 10;

/** Sends a request and waits for the answer. */
export function request(method, target, headers, body, most) {
    const outgoingRequest = make(method, target, headers, body.length);
    const outgoing = outgoingRequest.body();
    const future = attempt(target, () => handle(outgoingRequest, undefined));
    // A server may answer before it has read everything, and then close: its answer counts, not the broken pipe.
    let unsent;
    try {
        send(outgoing, body);
        OutgoingBody.finish(outgoing, undefined);
    } catch (error) {
        unsent = error;
    }
    const ready = future.subscribe();
    ready.block();
    ready[Symbol.dispose]();
    const answered = future.get();
    future[Symbol.dispose]();
    if (answered?.tag !== 'ok') {
        throw meaning(target, unsent);
    }
    if (answered.val.tag !== 'ok') {
        throw meaning(target, { payload: answered.val.val });
    }
    return receive(target, answered.val.val, most);
}

function make(method, target, headers, length) {
    const fields = new Fields();
    const encoder = new TextEncoder();
    for (const [name, value] of [...headers, ['content-length', String(length)]]) {
        try {
            fields.append(name, encoder.encode(value));
        } catch (error) {
            throw new Error(`header ${name}: ${error.payload.tag}`);
        }
    }
    const request = new OutgoingRequest(fields);
    request.setMethod({ tag: method });
    request.setScheme(target.socket ? { tag: 'other', val: 'http+unix' } : { tag: target.tls ? 'HTTPS' : 'HTTP' });
    request.setAuthority(target.authority);
    request.setPathWithQuery(target.path);
    return request;
}

function send(outgoing, body) {
    const stream = outgoing.write();
    const ready = stream.subscribe();
    try {
        for (let sent = 0; sent < body.length; ) {
            const room = stream.checkWrite();
            if (room === 0) {
                ready.block();
                continue;
            }
            stream.write(body.subarray(sent, sent + room));
            sent += Math.min(room, body.length - sent);
        }
        stream.flush();
    } finally {
        ready[Symbol.dispose]();
        stream[Symbol.dispose]();
    }
}

function receive(target, response, most) {
    const status = response.status();
    const fields = response.headers();
    const retryAfter = fields.get('retry-after').map((value) => new TextDecoder().decode(value).trim())[0];
    const incoming = response.consume();
    const stream = incoming.stream();
    const chunks = [];
    let kept = 0;
    let broken;
    try {
        // Read to its end, so that the connection can be used again; keep only the beginning.
        for (;;) {
            const chunk = stream.blockingRead(READ_BYTES).subarray(0, most - kept);
            kept += chunk.length;
            chunks.push(chunk);
        }
    } catch (error) {
        // The end is an error as well.
        if (error.payload === undefined) {
            throw error;
        }
        if (error.payload.tag === 'last-operation-failed') {
            broken = error.payload.val.toDebugString();
        }
    }
    for (const resource of [stream, incoming, fields, response]) {
        resource[Symbol.dispose]();
    }
    // What would be the last word about what was sent has to have come whole.
    if (broken !== undefined && (status < 300 || [400, 409, 415, 422].includes(status))) {
        throw new Unavailable(`${target.address}: ${status}: the answer broke off: ${broken}`);
    }
    return {
        status,
        retryAfterS: /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined,
        body: new TextDecoder().decode(joined(chunks)),
    };
}

function attempt(target, action) {
    try {
        return action();
    } catch (error) {
        throw meaning(target, error);
    }
}

/** What an error of wasi:http or of a stream means. */
function meaning(target, error) {
    const { tag, val } = error?.payload ?? {};
    switch (tag) {
        case 'HTTP-request-denied':
        case 'destination-IP-prohibited':
            return new Denied(connect(target.address));
        case 'internal-error':
            return new Unavailable(val ?? 'no answer');
        case 'closed':
            return new Unavailable('the connection was closed while sending');
        case 'last-operation-failed':
            return new Unavailable(val.toDebugString());
        case undefined:
            return error ?? new Unavailable('no answer');
        default:
            return new Unavailable(tag.replaceAll('-', ' '));
    }
}
