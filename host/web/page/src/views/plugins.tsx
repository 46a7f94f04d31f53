// Plugins: what runs, what it may touch, what it costs, and what went wrong, with the line that cures it.
import { useState } from "preact/hooks";
import { set, value } from "../address";
import { get, post } from "../api";
import { Empty, Problem, State, Unanswered } from "../parts";
import { usePolled } from "../polled";
import { count, duration, formatted } from "../units";

export interface Fault {
  message: string;
  kind: string;
  blame: "plugin" | "operator" | "host";
  ago_s: number;
  over: boolean;
  limit?: { key: string; value: string };
  frames?: string[];
  log: string[];
}
export interface Instance {
  name: string;
  kind: string;
  file: string;
  version: string;
  hash: string;
  summary: string;
  state: string;
  retry_in_s: number | null;
  requests: string[];
  grants: string[];
  interval_ms?: number;
  limits: Record<string, number>;
  counts: { succeeded: number; failed: number; skipped: number; values: number; faults: Record<string, number> };
  calls: number;
  cpu_seconds: number;
  memory_bytes: number;
  stuck_threads: number;
  last_fault: Fault | null;
  rejected_update: Fault | null;
}
export interface Plugins {
  instances: Instance[];
  files: { file: string; bytes: number; used_by: string[]; error: string | null; busy: boolean }[];
  folder_error?: string;
}

const LOOK_MS = 2000;

/** A table's name in TOML. */
function table(plugin: Instance, rest: string): string {
  const name = /^[\w-]+$/.test(plugin.name) ? plugin.name : JSON.stringify(plugin.name);
  return `[${plugin.kind === "backend" ? "destination" : "plugin"}.${name}.${rest}]`;
}

/** Twice a limit, as it is written: `64MiB`, `5s`, `20_000`. */
export function doubled(value: string): string {
  const [, number = "", unit = ""] = /^([\d_.]+)\s*([a-zA-Z]*)$/.exec(value) ?? [];
  if (number === "") return value;
  const twice = Number(number.replaceAll("_", "")) * 2;
  return unit === "" ? String(twice) : `"${twice}${unit}"`;
}

/** What to write into the configuration, where that is a cure. */
export function cure(plugin: Instance, fault: Fault): string | undefined {
  if (fault.limit !== undefined) {
    const [key, ...group] = fault.limit.key.split(".").reverse();
    return `${table(plugin, ["limits", ...group.reverse()].join("."))}\n${key} = ${doubled(fault.limit.value)}`;
  }
  const written = /\[(?:plugin|destination)\.[^\]]+\][^\n]*/.exec(fault.message);
  return written?.[0];
}

export function PluginsView() {
  const asked = usePolled((abort) => get<Plugins>("/saker/v1/plugins", abort), LOOK_MS);
  const plugins = asked.value.value;
  if (plugins === undefined) {
    return <Unanswered what="Asking for plugins" asked={asked} />;
  }
  const { instances, files, folder_error } = plugins;
  const earlier = new Map(asked.earlier.value?.instances.map((one) => [one.name, one]));
  const chosen = value("plugin");
  const broken = files.filter((file) => file.error !== null);
  return (
    <>
      <h1 class="hidden">Plugins</h1>
      {folder_error === undefined ? null : <Problem message={folder_error} />}
      {instances.length === 0 ? (
        <Empty title="No plugin runs.">
          <p class="dim">Put .wasm files into the plugin folder; it is watched.</p>
        </Empty>
      ) : (
        <div class="card wide flush">
          <table class="list plugins">
            <caption class="hidden">Plugins that run</caption>
            <thead>
              <tr>
                <th scope="col">Plugin</th>
                <th scope="col">State</th>
                <th scope="col" class="number">
                  Samples/s
                </th>
                <th scope="col" class="number">
                  Processor
                </th>
                <th scope="col">Memory</th>
                <th scope="col" class="number">
                  Failed
                </th>
                <th scope="col" class="wrap">
                  May touch
                </th>
              </tr>
            </thead>
            <tbody>
              {instances.map((plugin) => (
                <Row
                  key={plugin.name}
                  plugin={plugin}
                  earlier={earlier.get(plugin.name)}
                  seconds={asked.seconds.value}
                  open={plugin.name === chosen}
                  again={asked.again}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {broken.map((file) => (
        <Problem key={file.file} message={`${file.file}: ${file.error}`} />
      ))}
    </>
  );
}

interface RowProps {
  plugin: Instance;
  earlier: Instance | undefined;
  seconds: number;
  open: boolean;
  again: () => void;
}

function Row(props: RowProps) {
  const { plugin, earlier, seconds, open } = props;
  const rate = (now: number, before: number | undefined) =>
    before === undefined || seconds === 0 ? undefined : Math.max(now - before, 0) / seconds;
  const cpu = rate(plugin.cpu_seconds, earlier?.cpu_seconds);
  const samples = rate(plugin.counts.values, earlier?.counts.values);
  const most = plugin.limits.max_memory_bytes ?? 0;
  return (
    <>
      <tr class={open ? "open" : ""}>
        <th scope="row">
          <button
            type="button"
            class="link"
            aria-expanded={open}
            onClick={() => set({ plugin: open ? "" : plugin.name })}
          >
            {plugin.name}
          </button>
          <span class="dim"> {plugin.kind}</span>
        </th>
        <td>
          <State state={plugin.state} />
          {plugin.retry_in_s === null ? null : <span class="dim"> again in {duration(plugin.retry_in_s)}</span>}
        </td>
        <td class="number" data-label="samples/s">
          {samples === undefined ? "–" : formatted(samples, "count")}
        </td>
        <td class="number" data-label="processor">
          {cpu === undefined ? "–" : `${(cpu * 100).toFixed(cpu < 0.1 ? 2 : 1)} %`}
        </td>
        <td class="use">
          <meter
            min={0}
            max={most}
            value={plugin.memory_bytes}
            aria-label={`Memory of ${plugin.name}`}
            title={`of ${formatted(most, "bytes")}`}
          />
          <span>{formatted(plugin.memory_bytes, "bytes")}</span>
        </td>
        <td class={plugin.counts.failed > 0 ? "number fair" : "number"} data-label="failed">
          {count(plugin.counts.failed)}
        </td>
        <td class="wrap dim">{plugin.grants.length === 0 ? "nothing" : plugin.grants.join(", ")}</td>
      </tr>
      {open || (plugin.last_fault !== null && !plugin.last_fault.over) || plugin.rejected_update !== null ? (
        <tr class="more">
          <td colSpan={7}>
            {open ? <Details plugin={plugin} again={props.again} /> : <Faults plugin={plugin} again={props.again} />}
          </td>
        </tr>
      ) : null}
    </>
  );
}

function Details(props: { plugin: Instance; again: () => void }) {
  const { plugin } = props;
  return (
    <>
      <p>{plugin.summary}</p>
      <dl class="facts">
        <dt>File</dt>
        <dd>
          {plugin.file} {plugin.version}
        </dd>
        <dt>Hash</dt>
        <dd class="mono">{plugin.hash}</dd>
        <dt>Interval</dt>
        <dd>{plugin.interval_ms === undefined ? "when it is given something" : duration(plugin.interval_ms / 1000)}</dd>
        <dt>Calls</dt>
        <dd>
          {count(plugin.calls)}, {count(plugin.counts.failed)} failed, {count(plugin.counts.skipped)} left out
        </dd>
        <dt>Processor time</dt>
        <dd>{duration(plugin.cpu_seconds)}</dd>
        <dt>Asks for</dt>
        <dd>{plugin.requests.length === 0 ? "nothing" : <Lines lines={plugin.requests} />}</dd>
        <dt>Is granted</dt>
        <dd class="mono">{plugin.grants.length === 0 ? "nothing" : <Lines lines={plugin.grants} />}</dd>
        <dt>Limits</dt>
        <dd class="limits">
          {Object.entries(plugin.limits).map(([key, limit]) => (
            <span key={key}>
              <span class="dim">{key}</span>{" "}
              {key.endsWith("bytes")
                ? formatted(limit, "bytes")
                : key.startsWith("deadline")
                  ? duration(limit)
                  : count(limit)}
            </span>
          ))}
        </dd>
      </dl>
      <Faults plugin={plugin} again={props.again} />
    </>
  );
}

function Lines(props: { lines: string[] }) {
  return (
    <>
      {props.lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
    </>
  );
}

function Faults(props: { plugin: Instance; again: () => void }) {
  const { plugin, again } = props;
  const [failed, setFailed] = useState("");
  const resume = async () => {
    try {
      await post(`/saker/v1/plugins/${encodeURIComponent(plugin.name)}/resume`);
      setFailed("");
      again();
    } catch (error) {
      setFailed(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      {plugin.last_fault === null ? null : (
        <FaultNote
          plugin={plugin}
          fault={plugin.last_fault}
          title={plugin.last_fault.over ? "Last fault, over since" : "Fault"}
        />
      )}
      {plugin.rejected_update === null ? null : (
        <FaultNote
          plugin={plugin}
          fault={plugin.rejected_update}
          title="A newer version, or other settings, were rejected"
        />
      )}
      {plugin.state === "running" ? null : (
        <p>
          <button type="button" onClick={resume}>
            Resume {plugin.name}
          </button>
        </p>
      )}
      {failed === "" ? null : <Problem message={failed} />}
    </>
  );
}

const BLAME = {
  plugin: "its author has to mend it",
  operator: "the configuration has to change",
  host: "this host has to change",
};

function FaultNote(props: { plugin: Instance; fault: Fault; title: string }) {
  const { plugin, fault, title } = props;
  const line = cure(plugin, fault);
  return (
    <div class={fault.over ? "fault over" : "fault"}>
      <p>
        <b>{title}</b>, {duration(fault.ago_s)} ago; {BLAME[fault.blame]}.
      </p>
      <p class="mono">{fault.message}</p>
      {line === undefined ? null : (
        <>
          <p class="dim">To allow it:</p>
          <pre>{line}</pre>
        </>
      )}
      {fault.log.length === 0 ? null : (
        <details>
          <summary>What it logged before</summary>
          <pre>{fault.log.join("\n")}</pre>
        </details>
      )}
    </div>
  );
}
