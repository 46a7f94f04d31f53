// Small parts that views share.
import type { ComponentChildren } from "preact";
import { contact } from "./api";

export function Card(props: {
  title: string;
  figure?: string | undefined;
  note?: string;
  wide?: boolean;
  children: ComponentChildren;
}) {
  return (
    <section class={props.wide ? "card wide" : "card"} aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        {props.figure === undefined ? null : <p class="figure">{props.figure}</p>}
      </header>
      {props.children}
      {props.note === undefined ? null : <p class="note">{props.note}</p>}
    </section>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>{props.title}</p>
      {props.children}
    </div>
  );
}

export function Problem(props: { message: string; again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>{props.message}</p>
      {props.again === undefined ? null : (
        <button type="button" onClick={props.again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Loading(props: { what: string }) {
  return (
    <div class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      {props.what}
    </div>
  );
}

/** What is shown of a question that has no answer yet. That the agent is gone is said above it already. */
export function Unanswered(props: { what: string; asked: { error: { value: string }; again: () => void } }) {
  const { what, asked } = props;
  if (contact.value === "gone") return <Empty title="Waiting for the agent." />;
  if (asked.error.value !== "") return <Problem message={asked.error.value} again={asked.again} />;
  return <Loading what={what} />;
}

export function Choice<T extends string>(props: {
  label: string;
  all: readonly T[];
  value: T;
  onChange: (value: T) => void;
}) {
  return (
    <fieldset class="choice">
      <legend class="hidden">{props.label}</legend>
      {props.all.map((one) => (
        <button type="button" key={one} aria-pressed={one === props.value} onClick={() => props.onChange(one)}>
          {one}
        </button>
      ))}
    </fieldset>
  );
}

export function State(props: { state: string }) {
  const good = ["running", "closed", "live", "ready"].includes(props.state);
  const bad = ["quarantined", "open", "failed", "rejected"].includes(props.state);
  return <span class={`state ${good ? "good" : bad ? "bad" : "fair"}`}>{props.state.replaceAll("_", " ")}</span>;
}
