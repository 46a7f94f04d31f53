// The address: `#/view?key=value`. It holds the view, the range and what is selected, so that it can be sent to somebody.
import { computed, signal } from "@preact/signals";

export const VIEWS = ["now", "explore", "query", "plugins", "flow"] as const;
export type View = (typeof VIEWS)[number];

export interface Address {
  view: View;
  values: ReadonlyMap<string, string>;
}

export function parse(hash: string): Address {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const view = VIEWS.find((view) => view === path) ?? "now";
  return { view, values: new Map(new URLSearchParams(query)) };
}

export function format(view: View, values: Iterable<[string, string]>): string {
  const query = new URLSearchParams([...values].filter(([, value]) => value !== "")).toString();
  return `#/${view}${query === "" ? "" : `?${query}`}`;
}

export const address = signal(parse(location.hash));
export const view = computed(() => address.value.view);

addEventListener("hashchange", () => {
  address.value = parse(location.hash);
});

export function value(key: string, otherwise = ""): string {
  return address.value.values.get(key) ?? otherwise;
}

/** Changes values of this view's address. What is typed replaces it; what is chosen can be gone back from. */
export function set(values: Record<string, string>, how: "push" | "replace" = "push"): void {
  const all = new Map(address.value.values);
  for (const [key, value] of Object.entries(values)) all.set(key, value);
  const hash = format(address.value.view, all);
  if (how === "push") history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
  address.value = parse(hash);
}

export function go(view: View, values: Record<string, string> = {}): void {
  location.hash = format(view, Object.entries(values));
}
