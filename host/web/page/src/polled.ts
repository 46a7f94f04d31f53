// Asks again and again while a view is open and seen. What came last stays when the agent is gone.
import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { contact } from "./api";
import { paused, token } from "./settings";

export interface Polled<T> {
  value: Signal<T | undefined>;
  /** What came before, and when: for rates. */
  earlier: Signal<T | undefined>;
  seconds: Signal<number>;
  error: Signal<string>;
  again: () => void;
}

export function usePolled<T>(ask: (abort: AbortSignal) => Promise<T>, every_ms: number): Polled<T> {
  const polled = useMemo(
    () => ({
      value: signal<T | undefined>(undefined),
      earlier: signal<T | undefined>(undefined),
      seconds: signal(0),
      error: signal(""),
      again: () => {},
    }),
    [],
  );
  const now = contact.value;
  const key = token.value;
  // Another token, and an agent that is back, are asked at once.
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let at = 0;
    const look = async () => {
      clearTimeout(timer);
      if (!document.hidden && !(paused.peek() && polled.value.peek() !== undefined)) {
        try {
          const value = await ask(abort.signal);
          const came = performance.now();
          polled.earlier.value = polled.value.value;
          polled.seconds.value = at === 0 ? 0 : (came - at) / 1000;
          polled.value.value = value;
          polled.error.value = "";
          at = came;
        } catch (error) {
          if (abort.signal.aborted) return;
          polled.error.value = error instanceof Error ? error.message : String(error);
        }
      }
      timer = setTimeout(look, every_ms);
    };
    polled.again = look;
    if (now !== "token" || key !== "") void look();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [now === "gone", now === "token", key, every_ms]);
  return polled;
}
