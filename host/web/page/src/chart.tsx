// A chart: uPlot in the page's colours, with a legend that tells the values under the cursor, by mouse and by keyboard.
import { effect, signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Cell } from "./recent";
import { date, time, zone } from "./settings";
import { stack } from "./stack";
import { formatted, type Unit } from "./units";

export interface Line {
  label: string;
  /** A custom property of the style, such as `--c1`. */
  color: string;
  dashed?: boolean;
  faint?: boolean;
  /** Drawn below the axis, told without the sign. */
  below?: boolean;
}

export interface Drawn {
  times: number[];
  lines: Line[];
  cells: Cell[][];
  /** What is shown, in seconds. */
  range: [number, number];
}

export interface ChartProps {
  label: string;
  unit: Unit;
  height?: number;
  stacked?: boolean;
  /** The least that the axis reaches up to. */
  reach?: number;
  /** The most, for shares of a whole. */
  most?: number;
  /** Charts with the same key share a cursor. */
  sync?: string;
  /** Reads signals: it is asked again when they change. */
  data: () => Drawn;
  onRange?: (from: number, to: number) => void;
  onReset?: () => void;
}

/** The first chart is marked in the browser's record, for who measures. */
let first = true;

/** Changes with the system's wish for light or dark. */
const scheme = signal(0);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  scheme.value += 1;
});

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function faded(name: string, share: number): string {
  const hex = color(name).replace("#", "");
  const part = (at: number) => Number.parseInt(hex.slice(at, at + 2), 16);
  return `rgba(${part(0)},${part(2)},${part(4)},${share})`;
}

const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';

function options(props: ChartProps, lines: Line[], width: number, told: (at: number | null) => void): uPlot.Options {
  const { unit, stacked = false, sync, onRange, onReset } = props;
  const zoned = zone.value === "UTC" ? { tzDate: (ts: number) => uPlot.tzDate(new Date(ts * 1000), "UTC") } : {};
  const axis = { stroke: () => color("--dim"), font: FONT, ticks: { show: false } };
  return {
    width,
    height: props.height ?? 168,
    ...zoned,
    padding: [6, 6, 0, 0],
    legend: { show: false },
    cursor: {
      points: { size: 6 },
      drag: { x: onRange !== undefined, y: false, setScale: false },
      y: false,
      // What is marked on one chart is not marked on the others as well.
      ...(sync === undefined
        ? {}
        : { sync: { key: sync, filters: { pub: (type) => !/^mouse(down|up)$/.test(type) } } }),
    },
    scales: {
      x: { time: true },
      y: {
        range: (_, low, high) => {
          const top = props.most ?? Math.max((high ?? 0) * 1.06, props.reach ?? 0);
          const bottom = Math.min((low ?? 0) * 1.06, 0);
          return [bottom, top > bottom ? top : bottom + 1];
        },
      },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        gap: 6,
        space: 68,
        values: times,
      },
      {
        ...axis,
        grid: { stroke: () => color("--rule"), width: 1 },
        size: 58,
        gap: 8,
        space: 34,
        incrs: increments(unit),
        values: (_, splits) => splits.map((split) => (split === 0 ? "0" : formatted(Math.abs(split), unit))),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: () => (line.faint ? faded(line.color, 0.5) : color(line.color)),
        width: line.faint ? 1 : 1.5,
        ...(line.dashed ? { dash: [4, 4] } : {}),
        ...(stacked ? {} : lines.length === 1 || line.below ? { fill: () => faded(line.color, 0.12) } : {}),
        ...(stacked ? { fill: () => faded(line.color, 0.5) } : {}),
        points: { show: false },
      })),
    ],
    ...(stacked
      ? {
          bands: lines.slice(1).map((line, place) => ({
            series: [place + 2, place + 1] as [number, number],
            fill: () => faded(line.color, 0.5),
          })),
        }
      : {}),
    hooks: {
      setCursor: [(chart) => told(chart.cursor.idx ?? null)],
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < 4 || onRange === undefined) return;
          onRange(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      ready: [(chart) => onReset && chart.over.addEventListener("dblclick", onReset)],
    },
  };
}

/** Steps of the axis: powers of two for bytes. */
function increments(unit: Unit): number[] {
  const steps: number[] = [];
  if (unit === "bytes" || unit === "bytes/s") {
    for (let power = 0; power < 6; power += 1) {
      for (const step of [1, 2, 5, 10, 20, 50, 100, 200, 256, 512]) steps.push(step * 1024 ** power);
    }
    return steps;
  }
  for (let power = -4; power < 16; power += 1)
    for (const step of [1, 2, 5]) steps.push(Number((step * 10 ** power).toPrecision(1)));
  return steps;
}

function times(chart: uPlot, splits: number[]): string[] {
  const span = (chart.scales.x?.max ?? 0) - (chart.scales.x?.min ?? 0);
  return splits.map((split) => {
    if (span > 2 * 86400) return date(split * 1000).split(",")[0] ?? "";
    return time(split * 1000).slice(0, span < 120 ? 8 : 5);
  });
}

export function Chart(props: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const latest = useRef(props);
  latest.current = props;
  // Within the task that makes the frame, so that both are painted at once.
  useLayoutEffect(() => {
    const parent = frame.current;
    if (parent === null) return;
    let chart: uPlot | undefined;
    let drawn: Drawn | undefined;
    let shape = "";
    let visible = true;
    let cursor: number | null = null;
    const tell = (at: number | null) => {
      cursor = at;
      write(legend.current, drawn, at, latest.current.unit);
    };
    const draw = (data: Drawn) => {
      drawn = data;
      const { times, lines, cells, range } = data;
      const next = `${zone.value} ${latest.current.height} ${lines.map((line) => `${line.label}${line.color}${line.dashed}`).join("|")}`;
      const all = latest.current.stacked
        ? stack(cells)
        : cells.map((line, place) => (lines[place]?.below ? line.map(minus) : line));
      const aligned = [times, ...all] as uPlot.AlignedData;
      if (chart === undefined || next !== shape) {
        chart?.destroy();
        shape = next;
        chart = new uPlot(options(latest.current, lines, parent.clientWidth, tell), undefined, parent);
      }
      chart.batch(() => {
        chart?.setData(aligned, false);
        chart?.setScale("x", { min: range[0], max: range[1] });
      });
      tell(cursor);
      if (first) performance.mark("charts");
      first = false;
    };
    const stop = effect(() => {
      scheme.value;
      const data = latest.current.data();
      if (visible) draw(data);
      else drawn = data;
    });
    const size = new ResizeObserver(() => {
      const width = parent.clientWidth;
      if (chart !== undefined && width > 0 && width !== chart.width) chart.setSize({ width, height: chart.height });
    });
    size.observe(parent);
    // What nobody sees is not drawn.
    const seen = new IntersectionObserver((entries) => {
      visible = entries.at(-1)?.isIntersecting ?? true;
      if (visible && drawn !== undefined) draw(drawn);
    });
    seen.observe(parent);
    const key = (event: KeyboardEvent) => keyed(event, chart, latest.current);
    parent.addEventListener("keydown", key);
    return () => {
      stop();
      size.disconnect();
      seen.disconnect();
      parent.removeEventListener("keydown", key);
      chart?.destroy();
    };
  }, []);
  return (
    <div class="chart">
      <div
        class="plot"
        ref={frame}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys move its cursor
        tabIndex={0}
        role="group"
        aria-roledescription="chart"
        aria-label={`${props.label}. Left and right move the cursor${props.onRange ? ", plus zooms in, escape zooms out" : ""}.`}
        style={{ minHeight: `${props.height ?? 168}px` }}
      />
      <ul class="legend" ref={legend} />
    </div>
  );
}

function minus(value: Cell): Cell {
  return typeof value === "number" ? -value : value;
}

/** Writes the legend without the framework: it changes with each move of the mouse, on every chart. */
function write(list: HTMLUListElement | null, drawn: Drawn | undefined, at: number | null, unit: Unit): void {
  if (list === null || drawn === undefined) return;
  const { lines, cells, times } = drawn;
  while (list.children.length > lines.length) list.lastElementChild?.remove();
  while (list.children.length < lines.length) {
    const item = document.createElement("li");
    item.append(document.createElement("i"), document.createElement("span"), document.createElement("b"));
    list.append(item);
  }
  lines.forEach((line, place) => {
    const item = list.children[place] as HTMLElement;
    const [swatch, name, value] = [...item.children] as [HTMLElement, HTMLElement, HTMLElement];
    const style = `var(${line.color})`;
    if (swatch.style.backgroundColor !== style) swatch.style.backgroundColor = style;
    swatch.className = line.dashed || line.faint ? "thin" : "";
    if (name.textContent !== line.label) {
      name.textContent = line.label;
      name.title = line.label;
    }
    const told = formatted(before(cells[place] ?? [], times, at), unit);
    if (value.textContent !== told) value.textContent = told;
  });
}

/** The value at a place or shortly before, since not every series has one at every time. */
function before(cells: Cell[], times: number[], at: number | null): number | undefined {
  const from = at ?? cells.length - 1;
  for (let place = from; place >= 0 && place > from - 90; place -= 1) {
    const value = cells[place];
    if (typeof value === "number") return value;
    if (value === null || (times[from] ?? 0) - (times[place] ?? 0) > 120) return undefined;
  }
  return undefined;
}

function keyed(event: KeyboardEvent, chart: uPlot | undefined, props: ChartProps): void {
  if (chart === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  const { min = 0, max = 0 } = chart.scales.x ?? {};
  if (min === null || max === null) return;
  const width = chart.over.clientWidth;
  const left = chart.cursor.left !== undefined && chart.cursor.left >= 0 ? chart.cursor.left : width;
  const step = Math.max(width / 60, 1);
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const to = Math.min(Math.max(left + (event.key === "ArrowLeft" ? -step : step), 0), width);
    chart.setCursor({ left: to, top: 10 });
  } else if (event.key === "+" && props.onRange !== undefined) {
    const middle = chart.posToVal(left, "x");
    const quarter = (max - min) / 4;
    props.onRange(Math.max(middle - quarter, min), Math.min(middle + quarter, max));
  } else if (event.key === "Escape" && props.onReset !== undefined) {
    chart.setCursor({ left: -10, top: -10 });
    props.onReset();
  } else return;
  event.preventDefault();
}
