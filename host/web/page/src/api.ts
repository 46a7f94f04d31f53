// Asks the agent. Nothing is asked of anybody else.
import { signal } from "@preact/signals";
import { token } from "./settings";

export type Contact = "connecting" | "live" | "gone" | "token";
/** How the page stands with the agent. */
export const contact = signal<Contact>("connecting");

export class Failure extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function headers(): Record<string, string> {
  return token.value === "" ? {} : { authorization: `Bearer ${token.value}` };
}

async function answered(path: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...(options.headers ?? {}) } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure(0, "the agent does not answer");
  }
  if (response.status === 401) contact.value = "token";
  return response;
}

async function failure(response: Response): Promise<Failure> {
  const body = await response.json().catch(() => ({}));
  return new Failure(response.status, body.error ?? `${response.status} ${response.statusText}`);
}

export async function get<T>(path: string, abort?: AbortSignal): Promise<T> {
  const response = await answered(path, { signal: abort ?? null });
  if (!response.ok) throw await failure(response);
  return response.json();
}

export async function text(path: string, abort?: AbortSignal): Promise<string> {
  const response = await answered(path, { signal: abort ?? null });
  if (!response.ok) throw await failure(response);
  return response.text();
}

/** Has something done. No page of another site can send the header. */
export async function post(path: string): Promise<void> {
  const response = await answered(path, { method: "POST", headers: { "x-saker": "1" } });
  if (!response.ok) throw await failure(response);
}

export async function stream(path: string, abort: AbortSignal): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const response = await answered(path, { signal: abort, headers: { accept: "text/event-stream" } });
  if (!response.ok || response.body === null) throw await failure(response);
  return response.body.getReader();
}

export interface Labelled {
  metric: Record<string, string>;
}
export interface Matrix extends Labelled {
  values: [number, string][];
}
export interface Vector extends Labelled {
  value: [number, string];
}
export type Result =
  | { resultType: "matrix"; result: Matrix[] }
  | { resultType: "vector"; result: Vector[] }
  | { resultType: "scalar" | "string"; result: [number, string] };

/** Prometheus' API. */
export async function query(
  path: "query" | "query_range",
  form: Record<string, string>,
  abort?: AbortSignal,
): Promise<Result> {
  const response = await answered(`/api/v1/${path}`, {
    method: "POST",
    body: new URLSearchParams(form),
    signal: abort ?? null,
  });
  if (response.status === 401) throw await failure(response);
  const body = await response.json();
  if (body.status !== "success") throw new Failure(response.status, body.error ?? "the query failed");
  return body.data;
}
