// The first view: a verdict, eight vital charts, and what changed.
import { useComputed } from "@preact/signals";
import { set, value } from "../address";
import { type Contact, contact, get } from "../api";
import { Chart, type Drawn } from "../chart";
import { Card, Empty } from "../parts";
import { usePolled } from "../polled";
import { mean, newest, recent, version } from "../recent";
import { date, paused, time } from "../settings";
import { count, duration, formatted } from "../units";
import * as vital from "../vital";
import { Changes } from "./changes";
import type { Flow } from "./flow-data";
import type { Plugins } from "./plugins";

/** How often the state of plugins and destinations is asked for here: the verdict needs no more. */
const LOOK_MS = 10_000;

function range(): vital.Range {
  const [from, to] = value("range").split("-").map(Number);
  return from && to && to > from ? [from, to] : vital.span(recent);
}

function zoom(from: number, to: number): void {
  paused.value = true;
  set({ range: `${Math.round(from)}-${Math.round(to)}` });
}

function back(): void {
  paused.value = false;
  set({ range: "" });
}

function live<T>(make: (range: vital.Range) => T): () => T {
  return () => {
    version.value;
    return make(range());
  };
}

const shared = { sync: "now", onRange: zoom, onReset: back };

function minute(metric: string): string | undefined {
  version.value;
  const now = newest(recent.one(metric), recent);
  return now === undefined ? undefined : formatted(now, "percent");
}

interface About {
  plugins: Plugins;
  flow: Flow;
}

function others(about: About | undefined): { bad: boolean; words: string }[] {
  const found: { bad: boolean; words: string }[] = [];
  for (const plugin of about?.plugins.instances ?? []) {
    if (plugin.state === "quarantined") found.push({ bad: true, words: `plugin ${plugin.name} is quarantined` });
    else if (plugin.last_fault && !plugin.last_fault.over)
      found.push({ bad: false, words: `plugin ${plugin.name} fails` });
  }
  for (const destination of about?.flow.destinations ?? []) {
    if (destination.state !== "closed" && destination.queued > 0) {
      found.push({
        bad: false,
        words: `destination ${destination.name} does not answer; ${count(destination.queued)} points wait for it`,
      });
    }
  }
  return found;
}

export function Now() {
  const about = usePolled<About>(
    async (abort) => ({
      plugins: await get<Plugins>("/saker/v1/plugins", abort),
      flow: await get<Flow>("/saker/v1/routes", abort),
    }),
    LOOK_MS,
  );
  const verdict = useComputed(() => {
    version.value;
    return vital.verdict(recent, others(about.value.value));
  });
  version.value;
  if (recent.series.size === 0) return <Nothing contact={contact.value} />;
  const zoomed = value("range") !== "";
  return (
    <>
      <Headline verdict={verdict.value} />
      {zoomed ? (
        <p class="bar">
          <span>
            {date(range()[0] * 1000)} – {time(range()[1] * 1000)}
          </span>
          <button type="button" onClick={back}>
            Back to live
          </button>
        </p>
      ) : null}
      <div class="grid">
        <Card title="Processors" figure={minute("cpu.busy")}>
          <Chart
            label="Processor time by mode"
            unit="percent"
            stacked
            most={100}
            data={live((range) => vital.cpu(recent, range))}
            {...shared}
          />
        </Card>
        <Card title="Pressure" figure={pressed()}>
          <Chart
            label="Share of time in which something had to wait"
            unit="percent"
            reach={10}
            data={live((range) => vital.pressure(recent, range))}
            {...shared}
          />
        </Card>
        <Card title="Memory" figure={minute("mem.memused.percent")}>
          <Chart
            label="Memory by use"
            unit="bytes"
            stacked
            most={newest(recent.one("mem.memtotal"), recent) ?? 1}
            data={live((range) => vital.memory(recent, range))}
            {...shared}
          />
        </Card>
        <Card title="Network" figure={flowing()}>
          <Chart
            label="Bytes received and sent"
            unit="bytes/s"
            reach={1024}
            data={live((range) => vital.network(recent, range))}
            {...shared}
          />
        </Card>
        <DeviceCard title="Disks, busy" metric="disk.io.util" unit="percent" reach={10} />
        <DeviceCard title="Disks, latency" metric="disk.io.await" unit="ms" reach={1} />
        <Card title="File systems" figure={full()}>
          <FileSystems />
        </Card>
        <Card title="Processes" figure={processes()}>
          <Processes />
        </Card>
      </div>
      <Changes window={zoomed ? range() : undefined} />
    </>
  );
}

function pressed(): string | undefined {
  version.value;
  const all = ["cpu", "io", "memory"].map((what) => newest(recent.one(`pressure.${what}.some.avg10`), recent));
  const most = Math.max(...all.map((value) => value ?? -1));
  return most < 0 ? undefined : formatted(most, "percent");
}

function flowing(): string | undefined {
  const told = (metric: string) => {
    const all = recent.of(metric).filter((series) => series.tags.iface !== "lo");
    return all.length === 0 ? undefined : all.reduce((sum, series) => sum + (newest(series, recent) ?? 0), 0);
  };
  const [received, sent] = [told("net.if.in.bytes"), told("net.if.out.bytes")];
  return received === undefined ? undefined : `↓ ${formatted(received, "bytes/s")}  ↑ ${formatted(sent, "bytes/s")}`;
}

function full(): string | undefined {
  const first = vital.fileSystems(recent)[0];
  return first === undefined ? undefined : formatted(first.percent, "percent");
}

function processes(): string | undefined {
  const total = newest(recent.one("proc.total"), recent);
  return total === undefined ? undefined : count(total);
}

function Headline(props: { verdict: vital.Verdict }) {
  const { grade, words, more } = props.verdict;
  const uptime = newest(recent.one("kernel.uptime"), recent);
  const cores = newest(recent.one("cpu.cores"), recent);
  const total = newest(recent.one("mem.memtotal"), recent);
  const host = [
    ...(cores === undefined ? [] : [`${cores} cores`]),
    ...(total === undefined ? [] : [formatted(total, "bytes")]),
    ...(uptime === undefined ? [] : [`up ${duration(uptime)}`]),
  ];
  return (
    <div class={`verdict ${grade}`} role="status">
      <span class="dot" aria-hidden="true" />
      <div>
        <h1 class="words">{words}</h1>
        {more.length > 0 ? <p class="more">{more.join(" · ")}</p> : null}
      </div>
      <p class="host">{host.join(" · ")}</p>
    </div>
  );
}

function DeviceCard(props: { title: string; metric: string; unit: "percent" | "ms"; reach: number }) {
  const { title, metric, unit, reach } = props;
  const values = recent.of(metric).map((series) => mean(series, recent, 10) ?? 0);
  const figure = values.length === 0 ? undefined : formatted(Math.max(...values), unit);
  const more = values.length - 4;
  return (
    <Card title={title} figure={figure} {...(more > 0 ? { note: `and ${more} more` } : {})}>
      {values.length === 0 ? (
        <Empty title="No disks are reported." />
      ) : (
        <Chart
          label={title}
          unit={unit}
          reach={reach}
          data={live<Drawn>((range) => vital.byTag(recent, range, metric, "device"))}
          {...shared}
        />
      )}
    </Card>
  );
}

function FileSystems() {
  const all = vital.fileSystems(recent);
  if (all.length === 0) return <Empty title="No file systems are reported." />;
  return (
    <ul class="bars">
      {all.slice(0, 6).map(({ mount, percent, free, total }) => (
        <li key={mount} class={percent >= 96 ? "bad" : percent >= 90 ? "fair" : ""}>
          <span class="name" title={mount}>
            {mount}
          </span>
          <meter min={0} max={100} value={percent} aria-label={`${mount}, used`}>
            {formatted(percent, "percent")}
          </meter>
          <b>{formatted(percent, "percent")}</b>
          <span class="dim">
            {formatted(free, "bytes")} of {formatted(total, "bytes")} free
          </span>
        </li>
      ))}
      {all.length > 6 ? <li class="dim">and {all.length - 6} more</li> : null}
    </ul>
  );
}

function Processes() {
  const groups = recent.of("proc.cpu.percent");
  if (groups.length === 0) {
    return (
      <Chart
        label="Load, running and blocked processes"
        unit="count"
        reach={1}
        data={live((range) => vital.load(recent, range))}
        {...shared}
      />
    );
  }
  return (
    <Chart
      label="Processor time of groups of processes"
      unit="percent"
      reach={1}
      data={live((range) => vital.byTag(recent, range, "proc.cpu.percent", "name"))}
      {...shared}
    />
  );
}

function Nothing(props: { contact: Contact }) {
  if (props.contact === "connecting") {
    return (
      <Empty title="Looking at this host…">
        <span class="spinner" aria-hidden="true" />
      </Empty>
    );
  }
  return (
    <Empty title="Nothing is measured yet.">
      <p class="dim">
        Collectors report within their first interval, ten seconds unless it is set. If nothing comes, see{" "}
        <a href="#/plugins">which plugins run</a>.
      </p>
    </Empty>
  );
}
