// What changed, in words.
import { formatted, unitOf } from "./units";

export interface Change {
  metric: string;
  tags: Record<string, string>;
  type: string;
  score: number;
  now: number;
  before: number;
  spread: number;
  day_before?: number;
}
export interface Ranking {
  series: number;
  history_ms: number;
  has_day_before: boolean;
  changes: Change[];
}

export function sentence(change: Change): string {
  const unit = unitOf(change.metric, change.type);
  const told = (value: number) => formatted(value, unit);
  const { now, before, day_before: yesterday } = change;
  const how = before !== 0 && now / before >= 2 ? `, ${(now / before).toFixed(1).replace(/\.0$/, "")} × as much` : "";
  const usual = change.spread > 0 ? ` (give or take ${told(change.spread)})` : "";
  const day = yesterday === undefined ? "" : `, and ${told(yesterday)} yesterday at this time`;
  return `${told(now)}${how}; it was ${told(before)}${usual} in the hour before${day}.`;
}

/** Series that tell the same, such as bits and bytes of an interface, count as one. */
export function families(changes: Change[]): { first: Change; more: number }[] {
  const found = new Map<string, { first: Change; more: number }>();
  for (const change of changes) {
    const key = `${change.metric.split(".").slice(0, 2).join(".")} ${Object.values(change.tags).join(" ")}`;
    const known = found.get(key);
    if (known === undefined) found.set(key, { first: change, more: 0 });
    else known.more += 1;
  }
  return [...found.values()];
}
