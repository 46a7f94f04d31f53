// Answers of queries as charts have them: one line of time, one column a series.

import type { Matrix, Result } from "./api";
import type { Drawn, Line } from "./chart";
import type { Range } from "./ranges";
import type { Cell } from "./recent";
import { COLORS } from "./vital";

/** Lines of one chart that a person can tell apart; of more, those with the largest mean are drawn. */
export const LINES_MAX = 12;

export function grid(range: Range): number[] {
  const times: number[] = [];
  for (let time = range.from; time <= range.to; time += range.step) times.push(time);
  return times;
}

/** One column: what has no value at a time is a gap. `shift_s` moves what was long ago to now. */
export function column(matrix: Matrix, range: Range, places: number, shift_s = 0): Cell[] {
  const cells = new Array<Cell>(places).fill(null);
  for (const [time, value] of matrix.values) {
    const place = Math.round((time + shift_s - range.from) / range.step);
    if (place >= 0 && place < places) cells[place] = Number(value);
  }
  return cells;
}

export function label(metric: Record<string, string>, without: readonly string[] = ["__name__", "instance"]): string {
  const told = Object.entries(metric).filter(([key]) => !without.includes(key));
  if (told.length === 0) return metric.__name__ ?? "value";
  return told.length === 1 ? (told[0]?.[1] ?? "") : told.map(([key, value]) => `${key}=${value}`).join(" ");
}

function mean(matrix: Matrix): number {
  return matrix.values.reduce((sum, [, value]) => sum + (Number(value) || 0), 0) / Math.max(matrix.values.length, 1);
}

/** The largest, in the order of their labels, so that colours stay where they are. */
export function largest(result: Matrix[], most = LINES_MAX): Matrix[] {
  const top = [...result].sort((a, b) => mean(b) - mean(a)).slice(0, most);
  return top.sort((a, b) => label(a.metric).localeCompare(label(b.metric), "en", { numeric: true }));
}

export function drawn(result: Matrix[], range: Range): Drawn {
  const times = grid(range);
  const shown = largest(result);
  return {
    times,
    range: [range.from, range.to],
    lines: shown.map(
      (one, place): Line => ({
        label: label(one.metric),
        color: COLORS[place % COLORS.length] ?? "--c8",
        dashed: place >= COLORS.length,
      }),
    ),
    cells: shown.map((one) => column(one, range, times.length)),
  };
}

export function matrices(result: Result): Matrix[] {
  return result.resultType === "matrix" ? result.result : [];
}
