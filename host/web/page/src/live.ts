// Keeps the stream of runs open. An agent that is gone is asked again until it is back; then everything is as it was.
import { effect } from "@preact/signals";
import { contact, Failure, stream } from "./api";
import { type Past, type Run, recent, version } from "./recent";
import { paused, token } from "./settings";

const AGAIN_MIN_MS = 500;
const AGAIN_MAX_MS = 5000;
/** The agent sends something every ten seconds. Longer silence is a connection that nobody has closed. */
const SILENCE_MS = 25_000;

/** Collectors run one after the other within a second; charts are drawn once for all of them. */
const DRAWN_EVERY_MS = 800;

let waiting = false;
let drawn_at = Number.NEGATIVE_INFINITY;

/** Has charts drawn, but not while paused. */
function changed(): void {
  if (waiting || paused.value) return;
  waiting = true;
  const draw = () => {
    waiting = false;
    drawn_at = performance.now();
    version.value += 1;
  };
  const pause = drawn_at + DRAWN_EVERY_MS - performance.now();
  setTimeout(() => requestAnimationFrame(draw), Math.max(pause, 0));
}

function heard(block: string): void {
  let event = "";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ")) data = line.slice(6);
  }
  if (event === "past") recent.take(JSON.parse(data) as Past);
  else if (event === "run") recent.run(JSON.parse(data) as Run);
  else return;
  changed();
}

async function listen(abort: AbortController): Promise<void> {
  const since = recent.newest > 0 ? `?since=${recent.newest}` : "";
  const epoch = recent.epoch;
  const reader = await stream(`/saker/v1/page/live${since}`, abort.signal);
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const silence = setTimeout(() => abort.abort(), SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    const blocks = (text + decoder.decode(value, { stream: true })).split("\n\n");
    text = blocks.pop() ?? "";
    blocks.forEach(heard);
    contact.value = "live";
    // Another process, of which only the last moments were asked: once more, for all of it.
    if (epoch !== 0 && epoch !== recent.epoch && since !== "") {
      recent.clear();
      return;
    }
  }
}

/** Listens for as long as the page is open; anew when there is another token. */
export function start(): void {
  let running: AbortController | undefined;
  effect(() => {
    token.value;
    running?.abort();
    const mine = new AbortController();
    running = mine;
    void keep(mine);
  });
  effect(() => {
    if (!paused.value) changed();
  });
}

async function keep(owner: AbortController): Promise<void> {
  let pause = AGAIN_MIN_MS;
  while (!owner.signal.aborted) {
    const one = new AbortController();
    const end = () => one.abort();
    owner.signal.addEventListener("abort", end);
    try {
      await listen(one);
      pause = AGAIN_MIN_MS;
    } catch (error) {
      if (owner.signal.aborted) return;
      // A wrong token is not tried again: whoever has the right one says so.
      if (error instanceof Failure && error.status === 401) return;
    } finally {
      owner.signal.removeEventListener("abort", end);
      one.abort();
    }
    if (owner.signal.aborted) return;
    contact.value = "gone";
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 1.6, AGAIN_MAX_MS);
  }
}
