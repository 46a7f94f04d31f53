// What a person has chosen: the time zone stays with the browser, the token with the tab.
import { computed, signal } from "@preact/signals";

const TOKEN = "saker-token";
const ZONE = "saker-zone";

function read(storage: () => Storage, key: string): string {
  try {
    return storage().getItem(key) ?? "";
  } catch {
    // A browser may have storage switched off.
    return "";
  }
}

function write(storage: () => Storage, key: string, value: string): void {
  try {
    if (value === "") storage().removeItem(key);
    else storage().setItem(key, value);
  } catch {
    // Then it is kept as long as the page is.
  }
}

export const token = signal(read(() => sessionStorage, TOKEN));
export const zone = signal<"local" | "UTC">(read(() => localStorage, ZONE) === "UTC" ? "UTC" : "local");
export const paused = signal(false);

token.subscribe((value) => write(() => sessionStorage, TOKEN, value));
zone.subscribe((value) => write(() => localStorage, ZONE, value));

const clock = computed(
  () =>
    new Intl.DateTimeFormat("en-GB", {
      timeZone: zone.value === "UTC" ? "UTC" : undefined,
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    }),
);
const day = computed(
  () =>
    new Intl.DateTimeFormat("en-GB", {
      timeZone: zone.value === "UTC" ? "UTC" : undefined,
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
    }),
);

export function time(ms: number): string {
  return clock.value.format(ms);
}

export function date(ms: number): string {
  return day.value.format(ms);
}
