/**
 * What the author of a saker plugin needs: extend one class, export it as default, build with `node sdk/build.mjs`.
 *
 *     import { Collector, gauge, number, read, readText } from '../sdk/saker.js';
 *
 *     export default class Entropy extends Collector {
 *         static summary = "Bits in the kernel's entropy pool";
 *         static requests = [read('/proc', 'the figure is in /proc/sys/kernel/random')];
 *         static settings = {
 *             proc: { type: 'string', default: '/proc', description: 'The proc file system.' },
 *         };
 *
 *         collect() {
 *             const path = `${this.settings.proc}/sys/kernel/random/entropy_avail`;
 *             return [gauge('kernel.entropy.bits', number(readText(path), path))];
 *         }
 *     }
 *
 * Everything here also runs in Node.js, so a plugin's logic is tested with plain `node --test`: outside Wasm the
 * agent is stood in for by `fakeHost()` of testing.js. A component has the language, console, TextEncoder and
 * TextDecoder, and what is listed here: no fetch, no timers, no modules of Node.js. Every call waits where it stands,
 * and the agent's deadline ends it.
 *
 * @module
 */

export { Columns } from './lib/columns.js';
export { Denied, Malformed, Reject, Retry, Unavailable, WrongSetting } from './lib/errors.js';
export { KeptFile, listFolder, readText, readTextIfThere } from './lib/files.js';
export { counterAdd, filesystemUsage, gaugeSet, gzip, loadState, log, saveState } from './lib/host.js';
export { Response, Target } from './lib/http.js';
export { Backend, Collector, DROP, KEEP, Processor } from './lib/kinds.js';
export { connect, read, secret, statfs, stdout, unix } from './lib/permissions.js';
export { Rates } from './lib/rates.js';
export { number, pairs, tagValue, words } from './lib/text.js';
export { counter, derive, gauge } from './lib/values.js';
