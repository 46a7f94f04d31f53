// The last minutes of the host's vital series, all on one line of time: what the document brought, and what comes live.
import { signal } from "@preact/signals";

export interface Described {
  n: number;
  metric: string;
  tags: Record<string, string>;
  type: string;
  step: number;
}
interface Column extends Described {
  v: (number | null)[];
  last?: [number, number];
}
export interface Past {
  epoch: number;
  now: number;
  groups: { start: number; step: number; series: Column[] }[];
}
export interface Run {
  t: number;
  n: number[];
  v: number[];
  new?: Described[];
}

/** A value, nothing (a gap), or not measured at this time. */
export type Cell = number | null | undefined;

export interface Series extends Described {
  cells: Cell[];
  last: [number, number] | undefined;
}

export const SPAN_S = 600;
/** A chart shows SPAN_S; what is older goes when there is so much more, for going is a copy of everything. */
const SLACK_S = 60;

/** Changes whenever there is something new to draw. */
export const version = signal(0);

export class Recent {
  epoch = 0;
  newest = 0;
  /** Seconds since 1970, growing. */
  times: number[] = [];
  readonly series = new Map<number, Series>();

  clear(): void {
    this.times = [];
    this.series.clear();
    this.newest = 0;
  }

  /** Takes columns. Those of another process of the agent's replace everything. */
  take(past: Past): void {
    if (past.epoch !== this.epoch) this.clear();
    this.epoch = past.epoch;
    const wanted = new Set(this.times);
    for (const { start, step, series } of past.groups) {
      const most = series.reduce((most, one) => Math.max(most, one.v.length), 0);
      for (let place = 0; place < most; place += 1) wanted.add((start + place * step) / 1000);
    }
    this.spread([...wanted].sort((a, b) => a - b));
    const places = new Map(this.times.map((time, place) => [time, place]));
    for (const { start, step, series } of past.groups) {
      for (const column of series) {
        const mine = this.known(column);
        column.v.forEach((value, place) => {
          const at = places.get((start + place * step) / 1000);
          if (value !== null && at !== undefined) mine.cells[at] = value;
        });
        if (column.last !== undefined) mine.last = column.last;
        this.newest = Math.max(this.newest, start + (column.v.length - 1) * step);
      }
    }
    this.trim();
  }

  run(run: Run): void {
    for (const described of run.new ?? []) this.known(described);
    const at = this.place(run.t / 1000);
    run.n.forEach((number, index) => {
      const series = this.series.get(number);
      const value = run.v[index];
      if (series === undefined || value === undefined) return;
      if (series.type === "GAUGE") {
        series.cells[at] = value;
        return;
      }
      const last = series.last;
      // What was counted twice, or began anew, has no rate.
      if (last !== undefined && run.t > last[0] && value >= last[1]) {
        series.cells[at] = ((value - last[1]) * 1000) / (run.t - last[0]);
      }
      if (last === undefined || run.t > last[0]) series.last = [run.t, value];
    });
    this.newest = Math.max(this.newest, run.t);
    this.trim();
  }

  of(metric: string): Series[] {
    return [...this.series.values()].filter((series) => series.metric === metric);
  }

  one(metric: string): Series | undefined {
    for (const series of this.series.values()) if (series.metric === metric) return series;
    return undefined;
  }

  private known(described: Described): Series {
    const known = this.series.get(described.n);
    if (known !== undefined) return known;
    const { n, metric, tags, type, step } = described;
    const series = {
      n,
      metric,
      tags,
      type,
      step,
      cells: new Array<Cell>(this.times.length).fill(undefined),
      last: undefined,
    };
    this.series.set(n, series);
    return series;
  }

  /** Where a time is; a new one gets a place. */
  private place(time: number): number {
    const end = this.times.length;
    const newest = this.times[end - 1];
    if (newest === undefined || time > newest) {
      this.times.push(time);
      for (const series of this.series.values()) series.cells.push(undefined);
      return end;
    }
    let low = 0;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.times[middle] ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    if (this.times[low] !== time) {
      this.times.splice(low, 0, time);
      for (const series of this.series.values()) series.cells.splice(low, 0, undefined);
    }
    return low;
  }

  private spread(times: number[]): void {
    const old = new Map(this.times.map((time, place) => [time, place]));
    for (const series of this.series.values()) {
      const cells = series.cells;
      series.cells = times.map((time) => {
        const place = old.get(time);
        return place === undefined ? undefined : cells[place];
      });
    }
    this.times = times;
  }

  private trim(): void {
    const oldest = this.newest / 1000 - SPAN_S;
    if ((this.times[0] ?? oldest) > oldest - SLACK_S) return;
    const gone = this.times.findIndex((time) => time >= oldest);
    if (gone <= 0) return;
    this.times.splice(0, gone);
    for (const series of this.series.values()) series.cells.splice(0, gone);
  }
}

/** The newest value, if it is not much older than a series' step. */
export function newest(series: Series | undefined, recent: Recent): number | undefined {
  if (series === undefined) return undefined;
  const oldest = recent.newest / 1000 - Math.max(3 * series.step, 15);
  for (let place = series.cells.length - 1; place >= 0 && (recent.times[place] ?? 0) >= oldest; place -= 1) {
    const value = series.cells[place];
    if (typeof value === "number") return value;
  }
  return undefined;
}

/** The mean of the last seconds. */
export function mean(series: Series | undefined, recent: Recent, seconds: number): number | undefined {
  if (series === undefined) return undefined;
  const oldest = recent.newest / 1000 - seconds;
  let sum = 0;
  let count = 0;
  for (let place = series.cells.length - 1; place >= 0 && (recent.times[place] ?? 0) >= oldest; place -= 1) {
    const value = series.cells[place];
    if (typeof value !== "number") continue;
    sum += value;
    count += 1;
  }
  return count === 0 ? undefined : sum / count;
}

export const recent = new Recent();
