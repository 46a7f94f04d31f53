// Ranges of time and their steps, as addresses hold them: `1h`, or two times in seconds.

export const RANGES = ["15m", "1h", "6h", "1d", "7d", "30d"] as const;
export type RangeName = (typeof RANGES)[number];

const SECONDS: Record<RangeName, number> = {
  "15m": 900,
  "1h": 3600,
  "6h": 21600,
  "1d": 86400,
  "7d": 604800,
  "30d": 2592000,
};
/** About as many places as a chart has pixels to show them. */
const PLACES = 240;
const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

export interface Range {
  from: number;
  to: number;
  step: number;
  /** It ends now, and goes on. */
  live: boolean;
}

export function seconds(text: string): number {
  return SECONDS[text as RangeName] ?? SECONDS["1h"];
}

export function range(text: string, now: number): Range {
  const [from, to] = text.split("-").map(Number);
  if (from && to && to > from) return { from, to, step: stepOf(to - from), live: false };
  const span = seconds(text);
  const step = stepOf(span);
  // On the step's grid, so that a chart does not shiver.
  const end = Math.floor(now / step) * step;
  return { from: end - span, to: end, step, live: true };
}

export function stepOf(span: number): number {
  return STEPS.find((step) => span / step <= PLACES) ?? 86400;
}

/** Rates need two points in their window, whatever the interval is. */
export function windowOf(step: number, interval: number): string {
  return `${Math.max(4 * interval, step, 20)}s`;
}
