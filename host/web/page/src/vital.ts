// What the first view makes of the vital series: figures, charts' data, and a verdict in words.
import type { Drawn, Line } from "./chart";
import { type Cell, mean, newest, type Recent, type Series, SPAN_S } from "./recent";
import { formatted } from "./units";

export const COLORS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

interface Part {
  label: string;
  color: string;
  metrics: string[];
}

const MODES: Part[] = [
  { label: "user", color: "--c1", metrics: ["cpu.user", "cpu.nice"] },
  { label: "system", color: "--c2", metrics: ["cpu.system"] },
  { label: "iowait", color: "--c7", metrics: ["cpu.iowait"] },
  { label: "interrupts", color: "--c5", metrics: ["cpu.irq", "cpu.softirq"] },
  { label: "steal", color: "--c4", metrics: ["cpu.steal"] },
];

export type Range = [number, number];

export function span(recent: Recent): Range {
  const end = recent.newest / 1000;
  return [end - SPAN_S, end];
}

function drawn(recent: Recent, range: Range, lines: (Line & { cells: Cell[] })[]): Drawn {
  return { times: recent.times, lines, cells: lines.map((line) => line.cells), range };
}

/** Adds up cells of the same times. */
export function sum(series: readonly (Series | undefined)[]): Cell[] | undefined {
  const all = series.filter((one) => one !== undefined);
  const first = all[0];
  if (first === undefined) return undefined;
  if (all.length === 1) return first.cells;
  return first.cells.map((value, place) => {
    if (typeof value !== "number") return value;
    return all.reduce((sum, one) => sum + (one.cells[place] ?? 0), 0);
  });
}

export function cpu(recent: Recent, range: Range): Drawn {
  const parts = MODES.map(({ label, color, metrics }) => ({
    label,
    color,
    cells: sum(metrics.map((metric) => recent.one(metric))),
  }));
  return drawn(recent, range, parts.filter(has));
}

function has<T extends { cells: Cell[] | undefined }>(part: T): part is T & { cells: Cell[] } {
  return part.cells !== undefined;
}

export function pressure(recent: Recent, range: Range): Drawn {
  const lines = [
    { label: "processor", color: "--c1", cells: recent.one("pressure.cpu.some.avg10")?.cells },
    { label: "disk", color: "--c2", cells: recent.one("pressure.io.some.avg10")?.cells },
    { label: "memory", color: "--c4", cells: recent.one("pressure.memory.some.avg10")?.cells },
  ];
  return drawn(recent, range, lines.filter(has));
}

export function memory(recent: Recent, range: Range): Drawn {
  const cells = (metric: string) => recent.one(metric)?.cells;
  const [total, unused, anon] = [cells("mem.memtotal"), cells("mem.unused"), cells("mem.anon")];
  const [cached, buffers, shared] = [cells("mem.cached"), cells("mem.buffers"), cells("mem.shmem")];
  const caches = cached?.map((value, place) =>
    typeof value === "number" ? Math.max(value + (buffers?.[place] ?? 0) - (shared?.[place] ?? 0), 0) : value,
  );
  const others = total?.map((value, place) => {
    if (typeof value !== "number") return value;
    const told = [unused, anon, caches, shared].reduce((sum, part) => sum + (part?.[place] ?? 0), 0);
    return Math.max(value - told, 0);
  });
  const lines = [
    { label: "programs", color: "--c1", cells: anon },
    { label: "shared", color: "--c4", cells: shared },
    { label: "kernel", color: "--c2", cells: others },
    { label: "caches", color: "--c3", cells: caches },
    { label: "free", color: "--c8", cells: unused },
  ];
  return drawn(recent, range, lines.filter(has));
}

/** The largest now, so many of them; the colour stays with the place. */
function largest(recent: Recent, metric: string, most: number): Series[] {
  const all = recent.of(metric).map((series) => ({ series, value: mean(series, recent, SPAN_S) ?? -1 }));
  all.sort((a, b) => b.value - a.value);
  const top = all.slice(0, most).map(({ series }) => series);
  return top.sort((a, b) => a.n - b.n);
}

function labelled(series: Series, tag: string): string {
  return series.tags[tag] ?? Object.values(series.tags).join(" ");
}

export function byTag(recent: Recent, range: Range, metric: string, tag: string): Drawn {
  const lines = largest(recent, metric, 4).map((series, place) => ({
    label: labelled(series, tag),
    color: COLORS[place] ?? "--c8",
    cells: series.cells,
  }));
  return drawn(recent, range, lines);
}

/** What comes in above the axis, what goes out below it, all interfaces but the host's own added up. */
export function network(recent: Recent, range: Range): Drawn {
  const outside = (metric: string) => recent.of(metric).filter((series) => series.tags.iface !== "lo");
  const received = sum(outside("net.if.in.bytes"));
  const sent = sum(outside("net.if.out.bytes"));
  const lines = [
    { label: "received", color: "--c3", cells: received },
    { label: "sent", color: "--c1", cells: sent, below: true },
  ];
  return drawn(recent, range, lines.filter(has));
}

export function load(recent: Recent, range: Range): Drawn {
  const lines = [
    { label: "load, 1 min", color: "--c1", cells: recent.one("load.1min")?.cells },
    { label: "load, 5 min", color: "--c8", cells: recent.one("load.5min")?.cells },
    { label: "running", color: "--c3", cells: recent.one("proc.running")?.cells },
    { label: "blocked", color: "--c7", cells: recent.one("proc.blocked")?.cells },
  ];
  return drawn(recent, range, lines.filter(has));
}

export interface FileSystem {
  mount: string;
  percent: number;
  free: number | undefined;
  total: number | undefined;
}

export function fileSystems(recent: Recent): FileSystem[] {
  const by = (metric: string, mount: string | undefined) => {
    const series = recent.of(metric).find((series) => series.tags.mount === mount);
    return newest(series, recent) ?? last(series);
  };
  const all = recent.of("df.bytes.used.percent").map((series) => ({
    mount: series.tags.mount ?? "?",
    percent: newest(series, recent) ?? last(series) ?? 0,
    free: by("df.bytes.free", series.tags.mount),
    total: by("df.bytes.total", series.tags.mount),
  }));
  return all.sort((a, b) => b.percent - a.percent);
}

/** The newest that there is, however old it is. */
function last(series: Series | undefined): number | undefined {
  return series?.cells.findLast((cell) => typeof cell === "number") ?? undefined;
}

export interface Verdict {
  grade: "good" | "fair" | "bad";
  words: string;
  more: string[];
}

interface Finding {
  bad: boolean;
  words: string;
}

const SETTLED_S = 60;

/** What a person should know first. Limits are those at which somebody waits, not those at which a number is large. */
export function verdict(recent: Recent, others: Finding[]): Verdict {
  const minute = (metric: string) => mean(recent.one(metric), recent, SETTLED_S);
  const findings: Finding[] = [];
  const find = (value: number | undefined, fair: number, bad: number, words: (value: number) => string) => {
    if (value !== undefined && value >= fair) findings.push({ bad: value >= bad, words: words(value) });
  };
  const killed = mean(recent.one("kernel.vm.oom_kill"), recent, SPAN_S);
  if (killed !== undefined && killed > 0)
    findings.push({ bad: true, words: "processes were killed because memory ran out" });
  const full = fileSystems(recent)[0];
  find(full?.percent, 90, 96, (value) => `${full?.mount} is ${formatted(value, "percent")} full`);
  find(
    minute("pressure.memory.some.avg10"),
    5,
    20,
    (value) => `programs wait for memory ${formatted(value, "percent")} of the time`,
  );
  find(minute("mem.memused.percent"), 92, 98, (value) => `${formatted(value, "percent")} of memory is used`);
  find(
    minute("pressure.io.some.avg10"),
    20,
    50,
    (value) => `programs wait for disks ${formatted(value, "percent")} of the time`,
  );
  const busy = largest(recent, "disk.io.util", 4).map((series) => ({
    name: labelled(series, "device"),
    value: mean(series, recent, SETTLED_S) ?? 0,
  }));
  const busiest = busy.sort((a, b) => b.value - a.value)[0];
  find(busiest?.value, 90, 99, (value) => `disk ${busiest?.name} is busy ${formatted(value, "percent")} of the time`);
  find(
    minute("pressure.cpu.some.avg10"),
    25,
    60,
    (value) => `programs wait for a processor ${formatted(value, "percent")} of the time`,
  );
  find(minute("cpu.busy"), 90, 98, (value) => `processors are ${formatted(value, "percent")} busy`);
  find(minute("cpu.steal"), 10, 30, (value) => `the hypervisor takes ${formatted(value, "percent")} of processor time`);
  findings.push(...others);
  findings.sort((a, b) => Number(b.bad) - Number(a.bad));
  const [first, ...rest] = findings;
  if (first === undefined) {
    return { grade: "good", words: "All is well.", more: [calm(recent)] };
  }
  const words = first.words.startsWith("/") ? first.words : first.words.charAt(0).toUpperCase() + first.words.slice(1);
  return { grade: first.bad ? "bad" : "fair", words: `${words}.`, more: rest.map((finding) => finding.words) };
}

function calm(recent: Recent): string {
  const part = (metric: string, words: (value: string) => string) => {
    const value = mean(recent.one(metric), recent, SETTLED_S);
    return value === undefined ? [] : [words(formatted(value, "percent"))];
  };
  const told = [
    ...part("cpu.busy", (value) => `processors ${value} busy`),
    ...part("mem.memused.percent", (value) => `memory ${value} used`),
  ];
  const full = fileSystems(recent)[0];
  if (full !== undefined) told.push(`fullest file system ${formatted(full.percent, "percent")}`);
  return told.join(", ");
}
