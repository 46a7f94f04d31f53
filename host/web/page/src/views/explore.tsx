// Explore: every metric in a tree, its chart by type, broken down by a tag, with yesterday and last week beneath.

import { signal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { set, value } from "../address";
import { get, type Matrix, query } from "../api";
import { Chart, type Drawn } from "../chart";
import { column, drawn, grid, matrices } from "../matrix";
import { Choice, Empty, Unanswered } from "../parts";
import { usePolled } from "../polled";
import { RANGES, type Range, range, windowOf } from "../ranges";
import { recent } from "../recent";
import { date } from "../settings";
import { unitOf } from "../units";

interface Listed {
  metric: string;
  tags: Record<string, string>;
  type: string;
  step_s: number;
}
interface Metric {
  name: string;
  type: string;
  step: number;
  series: number;
  tags: Map<string, Set<string>>;
}

const SERIES_MAX = 10_000;
const LIST_MS = 60_000;
/** A chart goes on by so much at a time, at least. */
const AGAIN_MIN_MS = 5000;
const BEFORE: Record<string, number> = { "a day before": 86400, "a week before": 604800 };

export function metrics(series: Listed[]): Metric[] {
  const all = new Map<string, Metric>();
  for (const { metric, tags, type, step_s } of series) {
    let known = all.get(metric);
    if (known === undefined) {
      known = { name: metric, type, step: step_s, series: 0, tags: new Map() };
      all.set(metric, known);
    }
    known.series += 1;
    for (const [key, value] of Object.entries(tags)) {
      const values = known.tags.get(key) ?? new Set();
      known.tags.set(key, values.add(value));
    }
  }
  return [...all.values()].sort((a, b) => a.name.localeCompare(b.name, "en"));
}

/** By the first part of the name: `cpu`, `disk`, `net`. */
export function groups(all: Metric[], filter: string): [string, Metric[]][] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Map<string, Metric[]>();
  for (const metric of all) {
    if (!words.every((word) => metric.name.toLowerCase().includes(word))) continue;
    const key = metric.name.split(/[._]/)[0] ?? metric.name;
    const group = found.get(key);
    if (group === undefined) found.set(key, [metric]);
    else group.push(metric);
  }
  return [...found];
}

export function Explore() {
  const asked = usePolled(
    (abort) => get<{ series: Listed[]; next?: number }>(`/saker/v1/series?limit=${SERIES_MAX}`, abort),
    LIST_MS,
  );
  const answer = asked.value.value;
  const all = useMemo(() => metrics(answer?.series ?? []), [answer]);
  if (answer === undefined) {
    return <Unanswered what="Asking for metrics" asked={asked} />;
  }
  if (all.length === 0) return <Empty title="There are no series yet." />;
  const chosen = all.find((metric) => metric.name === value("metric"));
  return (
    <div class="explore">
      <h1 class="hidden">Explore</h1>
      <Tree all={all} chosen={chosen?.name} more={answer.next !== undefined} />
      {chosen === undefined ? (
        <Empty title={value("metric") === "" ? "Choose a metric." : `There is no metric ${value("metric")} now.`}>
          <p class="dim">{all.length} metrics. Type to filter; the arrow keys go through the list.</p>
        </Empty>
      ) : (
        <MetricView key={chosen.name} metric={chosen} />
      )}
    </div>
  );
}

function Tree(props: { all: Metric[]; chosen: string | undefined; more: boolean }) {
  const filter = value("filter");
  const found = groups(props.all, filter);
  const few = found.reduce((sum, [, metrics]) => sum + metrics.length, 0) <= 40;
  const move = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const list = event.currentTarget as HTMLElement;
    const stops = [...list.querySelectorAll<HTMLElement>("input, summary, details[open] button")];
    const at = stops.indexOf(document.activeElement as HTMLElement);
    stops[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    event.preventDefault();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the arrow keys go from one of its controls to the next
    <div class="tree" onKeyDown={move}>
      <input
        type="search"
        placeholder="Filter metrics"
        aria-label="Filter metrics"
        value={filter}
        onInput={(event) => set({ filter: event.currentTarget.value }, "replace")}
      />
      <nav aria-label="Metrics">
        {found.map(([name, metrics]) => (
          <details key={name} open={(few && filter !== "") || metrics.some((metric) => metric.name === props.chosen)}>
            <summary>
              {name} <span class="dim">{metrics.length}</span>
            </summary>
            {metrics.map((metric) => (
              <button
                type="button"
                key={metric.name}
                aria-current={metric.name === props.chosen}
                onClick={() => set({ metric: metric.name, by: "" })}
              >
                {metric.name}
              </button>
            ))}
          </details>
        ))}
        {found.length === 0 ? <p class="dim">No metric has all of these words.</p> : null}
        {props.more ? <p class="dim">There are more than {SERIES_MAX} series; these are the first.</p> : null}
      </nav>
    </div>
  );
}

/** The query behind a chart: counters are rates, and a tag is what they are added up by. */
export function expression(metric: Metric, by: string, step: number, offset_s = 0): string {
  const selector = `{${JSON.stringify(metric.name)}}`;
  const before = offset_s === 0 ? "" : ` offset ${offset_s}s`;
  const values =
    metric.type === "GAUGE"
      ? step > metric.step
        ? `avg_over_time(${selector}[${step}s]${before})`
        : `${selector}${before}`
      : `rate(${selector}[${windowOf(step, metric.step)}]${before})`;
  if (by === "") return values;
  const how = metric.type === "GAUGE" && unitOf(metric.name, metric.type) === "percent" ? "avg" : "sum";
  return by === "all" ? `${how}(${values})` : `${how} by (${JSON.stringify(by)}) (${values})`;
}

function MetricView(props: { metric: Metric }) {
  const { metric } = props;
  const asked = value("range", "1h");
  const by = value("by");
  const before = value("before");
  const shown = range(asked, Math.floor((recent.newest || Date.now()) / 1000));
  const unit = unitOf(metric.name, metric.type);
  const text = expression(metric, by, shown.step);
  const tags = [...metric.tags];
  return (
    <div class="metric">
      <header>
        <h2>{metric.name}</h2>
        <p class="dim">
          {metric.type.toLowerCase()}
          {metric.type === "GAUGE" ? "" : ", as a rate"}, every {metric.step} s, {metric.series} series
        </p>
      </header>
      <div class="bar">
        <Choice
          label="Range"
          all={RANGES}
          value={asked as (typeof RANGES)[number]}
          onChange={(range) => set({ range })}
        />
        {shown.live ? null : (
          <span>
            {date(shown.from * 1000)} – {date(shown.to * 1000)}
          </span>
        )}
        {tags.length > 0 ? (
          <label>
            by{" "}
            <select value={by} onChange={(event) => set({ by: event.currentTarget.value })}>
              <option value="">each series</option>
              {tags.map(([tag, values]) => (
                <option key={tag} value={tag}>
                  {tag} ({values.size})
                </option>
              ))}
              <option value="all">all together</option>
            </select>
          </label>
        ) : null}
        <label>
          beneath{" "}
          <select value={before} onChange={(event) => set({ before: event.currentTarget.value })}>
            <option value="">nothing</option>
            {Object.keys(BEFORE).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <a href={`#/query?${new URLSearchParams({ query: text, range: asked })}`}>As a query</a>
      </div>
      <Plot key={`${text} ${asked} ${before}`} metric={metric} by={by} asked={asked} before={before} unit={unit} />
    </div>
  );
}

function Plot(props: { metric: Metric; by: string; asked: string; before: string; unit: ReturnType<typeof unitOf> }) {
  const { metric, by, asked, before, unit } = props;
  const [shown] = useState(() => ({ range: range(asked, Date.now() / 1000) }));
  const offset = BEFORE[before] ?? 0;
  const every = Math.max(shown.range.step * 1000, AGAIN_MIN_MS);
  const polled = usePolled(
    async (abort) => {
      const now = range(asked, Date.now() / 1000);
      const form = { start: String(now.from), end: String(now.to), step: String(now.step) };
      const [main, past] = await Promise.all([
        query("query_range", { ...form, query: expression(metric, by, now.step) }, abort),
        offset === 0
          ? undefined
          : query("query_range", { ...form, query: expression(metric, by, now.step, offset) }, abort),
      ]);
      return { range: now, main: matrices(main), past: past === undefined ? [] : matrices(past) };
    },
    shown.range.live ? every : 3_600_000,
  );
  const data = useMemo(() => signal<Drawn | undefined>(undefined), []);
  const answer = polled.value.value;
  useEffect(() => {
    if (answer !== undefined) data.value = together(answer.main, answer.past, answer.range, before);
  }, [answer]);
  if (answer === undefined) return <Unanswered what={`Asking for ${metric.name}`} asked={polled} />;
  if (answer.main.length === 0) return <Empty title="There are no values in this range." />;
  const hidden = answer.main.length - 12;
  return (
    <>
      {data.value === undefined ? null : (
        <Chart
          label={metric.name}
          unit={unit}
          height={340}
          reach={unit === "percent" ? 10 : 0}
          data={() => data.value as Drawn}
          onRange={(from, to) => set({ range: `${Math.round(from)}-${Math.round(to)}` })}
          onReset={() => set({ range: "1h" })}
        />
      )}
      {hidden > 0 ? (
        <p class="note">The twelve largest of {answer.main.length}; break it down by a tag to see all.</p>
      ) : null}
      {before !== "" && answer.past.length === 0 ? <p class="note">Nothing is kept of {before}.</p> : null}
    </>
  );
}

function together(main: Matrix[], past: Matrix[], range: Range, before: string): Drawn {
  const data = drawn(main, range);
  if (past.length === 0) return data;
  const then = drawn(past, range);
  const places = grid(range).length;
  const beneath = past.length > 4 ? [] : past;
  return {
    ...data,
    lines: [
      ...data.lines,
      ...beneath.map((_, place) => ({
        label: beneath.length === 1 ? before : `${then.lines[place]?.label}, ${before}`,
        color: data.lines[place]?.color ?? "--c8",
        faint: true,
        dashed: true,
      })),
    ],
    cells: [...data.cells, ...beneath.map((one) => column(one, range, places))],
  };
}
