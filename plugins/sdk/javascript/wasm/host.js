/**
 * The agent inside Wasm. Only a component can load this: the imports are those of the contract and of WASI.
 *
 * @module
 */

import { gzip } from 'saker:plugin/compression@0.1.0';
import { stat } from 'saker:plugin/statfs@0.1.0';
import { log } from 'saker:plugin/log@0.1.0';
import { counterAdd, gaugeSet } from 'saker:plugin/custom-metrics@0.1.0';
import { load, save } from 'saker:plugin/state@0.1.0';

import { Denied, Unavailable } from '../lib/errors.js';
import { keepFile, listFolder, readFile } from './files.js';
import { request } from './http.js';

/** @type {import('../lib/host.js').Host} */
export const agent = {
    log,
    loadState: () => load() ?? undefined,
    saveState(bytes) {
        try {
            save(bytes);
        } catch (error) {
            throw new Error(`the state has ${bytes.length} bytes, and may have ${error.payload.val}`);
        }
    },
    filesystemUsage(path) {
        try {
            return stat(path);
        } catch (error) {
            const { tag, val } = error.payload;
            throw tag === 'denied' ? new Denied(val) : new Unavailable(val);
        }
    },
    gzip(bytes, level) {
        try {
            return gzip(bytes, level);
        } catch (error) {
            const { tag, val } = error.payload;
            throw new Error(tag === 'no-level' ? `gzip has levels ${val.join(' to ')}` : `gzip takes ${val} bytes`);
        }
    },
    counterAdd,
    gaugeSet,
    keepFile,
    readFile,
    listFolder,
    request,
};
