// Units that people read, by a metric's name.

export type Unit = "percent" | "bytes" | "bytes/s" | "bits/s" | "ms" | "s" | "count" | "/s";

export function unitOf(metric: string, type: string): Unit {
  const counter = type !== "GAUGE";
  if (/percent$|^cpu\.(core\.)?(?!time|switches|cores)|avg\d+$|disk\.io\.util/.test(metric)) return "percent";
  if (/\.bits$/.test(metric)) return "bits/s";
  if (/disk\.io\.(read|write)_bytes/.test(metric)) return "bytes/s";
  if (/bytes|^mem\.(?!hugepages\.(total|free|res|sur))|rss$/.test(metric)) return counter ? "bytes/s" : "bytes";
  if (/await|svctm/.test(metric)) return "ms";
  if (!counter && /uptime|seconds|boottime/.test(metric)) return "s";
  return counter ? "/s" : "count";
}

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["", "k", "M", "G", "T", "P"];

function scaled(value: number, base: number, names: readonly string[]): [number, string] {
  let place = 0;
  let left = value;
  while (Math.abs(left) >= base * 0.9995 && place < names.length - 1) {
    left /= base;
    place += 1;
  }
  return [left, names[place] ?? ""];
}

/** Three digits, and no zeros that say nothing. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const fraction = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 4;
  return String(Number(value.toFixed(fraction)));
}

export function formatted(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  switch (unit) {
    case "percent":
      return `${digits(Math.abs(value) < 0.05 ? 0 : Number(value.toFixed(1)))} %`;
    case "bytes":
    case "bytes/s": {
      const [left, name] = scaled(value, 1024, BINARY);
      return `${digits(left)} ${name}${unit === "bytes/s" ? "/s" : ""}`;
    }
    case "bits/s": {
      const [left, name] = scaled(value, 1000, DECIMAL);
      return `${digits(left)} ${name}bit/s`;
    }
    case "ms":
      return Math.abs(value) >= 1000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`;
    case "s":
      return duration(value);
    default: {
      const [left, name] = scaled(value, 1000, DECIMAL);
      return `${digits(left)}${name === "" ? "" : ` ${name}`}${unit === "/s" ? " /s" : ""}`;
    }
  }
}

export function duration(seconds: number): string {
  const size = Math.abs(seconds);
  if (size < 1) return `${digits(seconds * 1000)} ms`;
  if (size < 120) return `${digits(seconds)} s`;
  if (size < 7200) return `${Math.round(seconds / 60)} min`;
  if (size < 172800) return `${digits(Number((seconds / 3600).toFixed(1)))} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
}

/** The unit of what a query answers, where it is about one metric and keeps its unit. */
export function unitOfQuery(text: string): Unit {
  const plain = text.replace(/"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)/g, " ");
  const names = plain.match(/\b[a-z][a-z0-9]*_[a-zA-Z0-9_]+\b(?!\s*\()/g) ?? [];
  if (new Set(names).size !== 1 || /[*/^%<>=]|\b(count|count_over_time|changes|resets|absent)\b/.test(plain))
    return "count";
  const type = /\bi?rate\b/.test(plain) ? "COUNTER" : "GAUGE";
  return unitOf((names[0] ?? "").replaceAll("_", "."), type);
}
