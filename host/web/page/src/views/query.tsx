// Query: PromQL, completed while it is typed; a mistake is shown where it is.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { set, value } from "../address";
import { contact, get, type Matrix, query, type Vector } from "../api";
import { Chart, type Drawn } from "../chart";
import { mistake, offers, word } from "../completion";
import { drawn, label, matrices } from "../matrix";
import { Choice, Empty, Loading, Problem } from "../parts";
import { RANGES, type Range, range } from "../ranges";
import { date } from "../settings";
import { digits, unitOfQuery } from "../units";

const FUNCTIONS =
  "abs absent absent_over_time avg avg_over_time bottomk ceil changes clamp clamp_max clamp_min count count_over_time count_values delta deriv exp floor group histogram_quantile idelta increase irate label_join label_replace last_over_time ln log10 log2 max max_over_time min min_over_time predict_linear quantile quantile_over_time rate resets round scalar sgn sort sort_desc sqrt stddev stddev_over_time sum sum_over_time time timestamp topk vector by without offset bool on ignoring group_left group_right and or unless".split(
    " ",
  );
const SHOWN = ["chart", "table"] as const;
const EXAMPLES = [
  ["Processors, by mode", "avg_over_time(cpu_user[1m])"],
  ["Three fullest file systems", "topk(3, df_bytes_used_percent)"],
  ["Received, by interface", "sum by (iface) (rate(net_if_in_bytes[1m]))"],
  ["Disk full in four hours?", "predict_linear(df_bytes_free[1h], 4 * 3600) < 0"],
] as const;

interface Answer {
  text: string;
  range: Range;
  matrix: Matrix[];
  vector: Vector[] | undefined;
  took_ms: number;
}

export function QueryView() {
  const asked = value("query");
  const shownRange = value("range", "1h");
  const shown = value("show", "chart") as (typeof SHOWN)[number];
  const [answer, setAnswer] = useState<Answer | undefined>(undefined);
  const [error, setError] = useState("");
  const [asking, setAsking] = useState(false);
  const [again, setAgain] = useState(0);
  const now = contact.value;
  // Asked again when the agent is back, or by hand.
  useEffect(() => {
    if (asked === "") return;
    const abort = new AbortController();
    const run = async () => {
      setAsking(true);
      const began = performance.now();
      const one = range(shownRange, Date.now() / 1000);
      try {
        const form: Record<string, string> =
          shown === "chart"
            ? { start: String(one.from), end: String(one.to), step: String(one.step) }
            : { time: String(one.to) };
        const result = await query(
          shown === "chart" ? "query_range" : "query",
          { query: asked, ...form },
          abort.signal,
        );
        const vector =
          result.resultType === "vector"
            ? result.result
            : result.resultType === "scalar" || result.resultType === "string"
              ? [{ metric: {}, value: result.result }]
              : undefined;
        setAnswer({ text: asked, range: one, matrix: matrices(result), vector, took_ms: performance.now() - began });
        setError("");
      } catch (failed) {
        if (abort.signal.aborted) return;
        setError(failed instanceof Error ? failed.message : String(failed));
      }
      setAsking(false);
    };
    void run();
    return () => abort.abort();
  }, [asked, shownRange, shown, again, now === "gone"]);
  return (
    <div class="query">
      <h1 class="hidden">Query</h1>
      <Editor text={asked} run={(text) => (text === asked ? setAgain(again + 1) : set({ query: text }))} />
      <div class="bar">
        <Choice
          label="Range"
          all={RANGES}
          value={shownRange as (typeof RANGES)[number]}
          onChange={(range) => set({ range })}
        />
        <Choice label="Shown as" all={SHOWN} value={shown} onChange={(show) => set({ show })} />
        {asking ? <span class="spinner" role="status" aria-label="Asking" /> : null}
        {answer !== undefined && error === "" && asked !== "" ? (
          <span class="dim">
            {answer.matrix.length + (answer.vector?.length ?? 0)} series in {Math.round(answer.took_ms)} ms
          </span>
        ) : null}
      </div>
      {asked === "" ? (
        <Examples />
      ) : error !== "" ? (
        <Mistake text={asked} message={error} />
      ) : answer === undefined ? (
        <Loading what="Asking" />
      ) : (
        <Shown answer={answer} />
      )}
    </div>
  );
}

function Examples() {
  return (
    <Empty title="Ask what is stored, in PromQL.">
      <ul class="examples">
        {EXAMPLES.map(([name, text]) => (
          <li key={name}>
            <button
              type="button"
              class="link"
              onClick={() => set({ query: text, show: text.startsWith("topk") ? "table" : "chart" })}
            >
              {name}
            </button>
            <code>{text}</code>
          </li>
        ))}
      </ul>
    </Empty>
  );
}

function Mistake(props: { text: string; message: string }) {
  const place = mistake(props.text, props.message);
  return (
    <>
      <Problem message={props.message.replace(/^invalid parameter "query": /, "")} />
      {place === undefined ? null : (
        <pre class="mistake">
          {place.line}
          {"\n"}
          <b>{place.caret}</b>
        </pre>
      )}
    </>
  );
}

function Shown(props: { answer: Answer }) {
  const { answer } = props;
  const data = useMemo(() => signal<Drawn>(drawn(answer.matrix, answer.range)), []);
  useEffect(() => {
    data.value = drawn(answer.matrix, answer.range);
  }, [answer]);
  if (answer.vector !== undefined) return <Table rows={answer.vector} />;
  if (answer.matrix.length === 0) return <Empty title="Nothing has these names in this range." />;
  return (
    <>
      <Chart
        key={unitOfQuery(answer.text)}
        label={answer.text}
        unit={unitOfQuery(answer.text)}
        height={340}
        data={() => data.value}
        onRange={(from, to) => set({ range: `${Math.round(from)}-${Math.round(to)}` })}
        onReset={() => set({ range: "1h" })}
      />
      {answer.matrix.length > 12 ? (
        <p class="note">The twelve largest of {answer.matrix.length}; topk() chooses others.</p>
      ) : null}
      {answer.range.live ? null : (
        <p class="note">
          {date(answer.range.from * 1000)} – {date(answer.range.to * 1000)}
        </p>
      )}
    </>
  );
}

function Table(props: { rows: Vector[] }) {
  if (props.rows.length === 0) return <Empty title="Nothing has these names now." />;
  const rows = props.rows.slice(0, 500);
  return (
    <div class="card wide flush">
      <table class="list">
        <caption class="hidden">Values now</caption>
        <thead>
          <tr>
            <th scope="col" class="wrap">
              Series
            </th>
            <th scope="col" class="number">
              Value
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={JSON.stringify(row.metric)}>
              <td class="wrap">
                <b>{row.metric.__name__ ?? ""}</b>{" "}
                <span class="dim">{Object.keys(row.metric).length > 0 ? label(row.metric, ["__name__"]) : ""}</span>
              </td>
              <td class="number" title={row.value[1]}>
                {digits(Number(row.value[1]))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {props.rows.length > rows.length ? <p class="note">The first 500 of {props.rows.length}.</p> : null}
    </div>
  );
}

function Editor(props: { text: string; run: (text: string) => void }) {
  const area = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(props.text);
  const [names, setNames] = useState<string[]>([]);
  const [offered, setOffered] = useState<string[]>([]);
  const [chosen, setChosen] = useState(0);
  useEffect(() => setText(props.text), [props.text]);
  useEffect(() => {
    const abort = new AbortController();
    const ask = (path: string) => get<{ data: string[] }>(path, abort.signal).then((answer) => answer.data);
    Promise.all([ask("/api/v1/label/__name__/values"), ask("/api/v1/labels")]).then(
      ([metrics, labels]) => setNames([...metrics, ...labels.filter((label) => label !== "__name__"), ...FUNCTIONS]),
      // Then nothing but functions is offered.
      () => setNames(FUNCTIONS),
    );
    return () => abort.abort();
  }, []);
  const offer = (element: HTMLTextAreaElement) => {
    setText(element.value);
    setOffered(offers(names, word(element.value, element.selectionStart)));
    setChosen(0);
  };
  const take = (name: string) => {
    const element = area.current;
    if (element === null) return;
    const at = element.selectionStart;
    const from = at - word(element.value, at).length;
    element.setRangeText(name, from, at, "end");
    setText(element.value);
    setOffered([]);
    element.focus();
  };
  const key = (event: KeyboardEvent) => {
    const choosing = offered.length > 0;
    if (choosing && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      setChosen((chosen + (event.key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length);
    } else if (choosing && event.key === "Tab" && !event.shiftKey) {
      take(offered[chosen] ?? "");
    } else if (choosing && event.key === "Escape") {
      setOffered([]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      setOffered([]);
      props.run(text.trim());
    } else return;
    event.preventDefault();
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        props.run(text.trim());
      }}
    >
      <div>
        <textarea
          ref={area}
          rows={Math.min(Math.max(text.split("\n").length, 1), 8)}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          placeholder="rate(net_if_in_bytes[1m])"
          aria-label="PromQL. Enter asks, shift and enter makes a line; tab takes what is offered"
          aria-haspopup="listbox"
          aria-controls="offers"
          aria-autocomplete="list"
          aria-activedescendant={offered.length > 0 ? `offer-${chosen}` : ""}
          value={text}
          onInput={(event) => offer(event.currentTarget)}
          onKeyDown={key}
          onBlur={() => setTimeout(() => setOffered([]), 150)}
        />
        <div id="offers" role="listbox" aria-label="Names" hidden={offered.length === 0}>
          {offered.map((name, place) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the text's
            <div
              key={name}
              id={`offer-${place}`}
              role="option"
              tabIndex={-1}
              aria-selected={place === chosen}
              onClick={() => take(name)}
            >
              {name}
            </div>
          ))}
        </div>
      </div>
      <button type="submit" class="main">
        Ask
      </button>
    </form>
  );
}
