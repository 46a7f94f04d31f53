// Where samples go, from two answers of the agent: its metrics, and its routes.

export interface Destination {
  name: string;
  backend: string | null;
  state: string;
  enqueued: number;
  recovered: number;
  delivered: number;
  queued: number;
  in_memory: number;
  disk: { bytes: number; dead_letter_points: number } | null;
  dropped: Record<string, number>;
  failures: number;
  error: string | null;
}
export interface Route {
  metric: string[];
  endpoint: string[];
  tags: Record<string, string[]>;
  destinations: string[];
  hash: string;
  replicas: number;
  continue: boolean;
}
export interface Flow {
  destinations: Destination[];
  routes: Route[];
  unrouted_points: number;
}

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Reads the text of `/metrics`. */
export function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const read = [...labels.matchAll(LABEL)].map(([, key, value]) => [key, value?.replace(/\\(.)/g, "$1")]);
    samples.push({ name, labels: Object.fromEntries(read), value: Number(value) });
  }
  return samples;
}

export interface Source {
  name: string;
  received: number;
  accepted: number;
  series: number;
  rejected: Record<string, number>;
}

export interface Figures {
  sources: Source[];
  cache: { points: number; series: number };
  store:
    | { received: number; stored: number; waiting: number; dropped: Record<string, number>; bytes: number }
    | undefined;
  breaches: Record<string, number>;
  series: number;
}

export function figures(samples: Sample[]): Figures {
  const of = (name: string) => samples.filter((sample) => sample.name === name);
  const one = (name: string) => of(name).reduce((sum, sample) => sum + sample.value, 0);
  const by = (name: string, label: string, filter: (sample: Sample) => boolean = () => true) =>
    Object.fromEntries(
      of(name)
        .filter((sample) => filter(sample) && sample.value > 0)
        .map((sample) => [sample.labels[label] ?? "", sample.value]),
    );
  const value = (name: string, source: string) =>
    of(name).find((sample) => sample.labels.source === source)?.value ?? 0;
  const sources = of("saker_received_points_total").map(({ labels: { source = "" }, value: received }) => ({
    name: source,
    received,
    accepted: value("saker_accepted_points_total", source),
    series: value("saker_source_series", source),
    rejected: by("saker_rejected_points_total", "reason", (sample) => sample.labels.source === source),
  }));
  const has_store = of("saker_store_received_points_total").length > 0;
  return {
    sources,
    cache: { points: one("saker_cache_points"), series: one("saker_cache_series") },
    store: has_store
      ? {
          received: one("saker_store_received_points_total"),
          stored: one("saker_store_stored_points_total"),
          waiting: one("saker_store_waiting_points"),
          dropped: by("saker_store_dropped_points_total", "reason"),
          bytes: one("saker_store_bytes") + one("saker_store_journal_bytes"),
        }
      : undefined,
    breaches: by("saker_law_breaches_total", "law"),
    series: one("saker_series"),
  };
}

export function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** What is left over in `received = accepted + rejected`; samples on their way are, for a moment. */
export function sourceBalance(source: Source): number {
  return source.received - source.accepted - sum(source.rejected);
}

/** What is left over in `enqueued + recovered = delivered + queued + dropped`. */
export function destinationBalance(destination: Destination): number {
  return destination.enqueued + destination.recovered - destination.delivered - destination.queued - sum(destination.dropped);
}
