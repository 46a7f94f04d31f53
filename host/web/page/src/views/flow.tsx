// Flow: from sources to destinations, with rates, what is dropped and why, and the accounts added up.
import type { ComponentChildren } from "preact";
import { get, text } from "../api";
import { Empty, State, Unanswered } from "../parts";
import { usePolled } from "../polled";
import { count, formatted } from "../units";
import {
  type Destination,
  destinationBalance,
  type Figures,
  type Flow,
  figures,
  parse,
  type Route,
  type Source,
  sourceBalance,
  sum,
} from "./flow-data";

const LOOK_MS = 2000;

interface Answer {
  figures: Figures;
  flow: Flow;
}

type Rate = (now: number, before: number | undefined) => string;

export function FlowView() {
  const asked = usePolled<Answer>(async (abort) => {
    const [metrics, flow] = await Promise.all([text("/metrics", abort), get<Flow>("/saker/v1/routes", abort)]);
    return { figures: figures(parse(metrics)), flow };
  }, LOOK_MS);
  const answer = asked.value.value;
  if (answer === undefined) {
    return <Unanswered what="Asking where samples go" asked={asked} />;
  }
  const earlier = asked.earlier.value;
  const rate: Rate = (now, before) =>
    before === undefined || asked.seconds.value === 0
      ? "–"
      : `${formatted(Math.max(now - before, 0) / asked.seconds.value, "count")}/s`;
  const { flow } = answer;
  return (
    <>
      <h1 class="hidden">Flow</h1>
      <Laws answer={answer} />
      <div class="flow">
        <Stage title="Sources" note={`${count(answer.figures.series)} series`}>
          {answer.figures.sources.map((source) => (
            <SourceBox
              key={source.name}
              source={source}
              before={earlier?.figures.sources.find((one) => one.name === source.name)}
              rate={rate}
            />
          ))}
        </Stage>
        <Stage title="Kept on this host">
          <Kept figures={answer.figures} before={earlier?.figures} rate={rate} />
        </Stage>
        <Stage
          title="Routes"
          note={
            flow.unrouted_points > 0 && flow.routes.length > 0
              ? `${count(flow.unrouted_points)} points matched none`
              : undefined
          }
        >
          {flow.routes.length === 0 ? (
            <Empty title="None. Samples stay on this host." />
          ) : (
            flow.routes.map((route) => <RouteBox key={JSON.stringify(route)} route={route} />)
          )}
        </Stage>
        <Stage title="Destinations">
          {flow.destinations.length === 0 ? (
            <Empty title="None.">
              <p class="dim">
                A <code>[destination.NAME]</code> with a backend and a <code>[[route]]</code> to it sends samples on.
              </p>
            </Empty>
          ) : (
            flow.destinations.map((destination) => (
              <DestinationBox
                key={destination.name}
                destination={destination}
                before={earlier?.flow.destinations.find((one) => one.name === destination.name)}
                rate={rate}
              />
            ))
          )}
        </Stage>
      </div>
    </>
  );
}

function Stage(props: { title: string; note?: string | undefined; children: ComponentChildren }) {
  return (
    <section class="stage" aria-label={props.title}>
      <h2>{props.title}</h2>
      {props.children}
      {props.note === undefined ? null : <p class="note">{props.note}</p>}
    </section>
  );
}

/** The law, with the numbers of this moment. What the agent itself has found broken counts, for between two answers points move. */
function Laws(props: { answer: Answer }) {
  const { figures, flow } = props.answer;
  const received = figures.sources.reduce((sum, source) => sum + source.received, 0);
  const accepted = figures.sources.reduce((sum, source) => sum + source.accepted, 0);
  const rejected = figures.sources.reduce((all, source) => all + sum(source.rejected), 0);
  const add = (of: (destination: Destination) => number) => flow.destinations.reduce((sum, destination) => sum + of(destination), 0);
  const broken = Object.entries(figures.breaches);
  return (
    <div class={`verdict ${broken.length === 0 ? "good" : "bad"}`} role="status">
      <span class="dot" aria-hidden="true" />
      <div>
        <p class="words">
          {broken.length === 0
            ? "Every sample is accounted for."
            : `The accounts did not add up: ${broken.map(([law, times]) => `${law} (${times} ×)`).join(", ")}.`}
        </p>
        <p class="more law">
          <span>
            received <b>{count(received)}</b> = accepted <b>{count(accepted)}</b> + rejected <b>{count(rejected)}</b>
          </span>
          {flow.destinations.length === 0 ? null : (
            <span>
              enqueued <b>{count(add((destination) => destination.enqueued))}</b> + recovered{" "}
              <b>{count(add((destination) => destination.recovered))}</b> = delivered <b>{count(add((destination) => destination.delivered))}</b> +
              queued <b>{count(add((destination) => destination.queued))}</b> + dropped{" "}
              <b>{count(add((destination) => sum(destination.dropped)))}</b>
            </span>
          )}
        </p>
      </div>
    </div>
  );
}

function Box(props: { name: string; rate?: string; state?: string; children?: ComponentChildren }) {
  return (
    <div class="box">
      <header>
        <h3 title={props.name}>{props.name}</h3>
        {props.state === undefined ? null : <State state={props.state} />}
        {props.rate === undefined ? null : <b>{props.rate}</b>}
      </header>
      {props.children}
    </div>
  );
}

function Drops(props: { verb: string; counts: Record<string, number> }) {
  const all = Object.entries(props.counts).filter(([, count]) => count > 0);
  if (all.length === 0) return null;
  return (
    <ul class="drops">
      {all.map(([reason, points]) => (
        <li key={reason}>
          {count(points)} {props.verb}: {reason.replaceAll("_", " ")}
        </li>
      ))}
    </ul>
  );
}

function Balance(props: { left: number }) {
  if (props.left === 0) return null;
  return <p class="dim">{count(Math.abs(props.left))} on their way</p>;
}

function SourceBox(props: { source: Source; before: Source | undefined; rate: Rate }) {
  const { source, before, rate } = props;
  return (
    <Box name={source.name.replace(/^collector:/, "")} rate={rate(source.received, before?.received)}>
      <Drops verb="rejected" counts={source.rejected} />
      <Balance left={sourceBalance(source)} />
    </Box>
  );
}

function Kept(props: { figures: Figures; before: Figures | undefined; rate: Rate }) {
  const { figures, before, rate } = props;
  const accepted = (of: Figures | undefined) => of?.sources.reduce((sum, source) => sum + source.accepted, 0);
  return (
    <>
      <Box name="cache" rate={rate(accepted(figures) ?? 0, accepted(before))}>
        <p class="dim">
          {count(figures.cache.points)} points of {count(figures.cache.series)} series
        </p>
      </Box>
      {figures.store === undefined ? (
        <Box name="store">
          <p class="dim">switched off</p>
        </Box>
      ) : (
        <Box name="store" rate={rate(figures.store.stored, before?.store?.stored)}>
          <p class="dim">
            {count(figures.store.stored)} points since the start, {formatted(figures.store.bytes, "bytes")} on disk
          </p>
          <Drops verb="dropped" counts={figures.store.dropped} />
          <Balance left={figures.store.waiting} />
        </Box>
      )}
    </>
  );
}

function RouteBox(props: { route: Route }) {
  const { route } = props;
  const all = (patterns: string[]) => (patterns.length === 0 ? "*" : patterns.join(" or "));
  const tags = Object.entries(route.tags).map(([key, patterns]) => `${key} = ${all(patterns)}`);
  return (
    <Box
      name={[all(route.metric), ...(route.endpoint.length > 0 ? [`of ${all(route.endpoint)}`] : []), ...tags].join(
        ", ",
      )}
    >
      <p>→ {route.destinations.join(", ")}</p>
      {route.destinations.length > 1 ? (
        <p class="dim">
          {route.hash}
          {route.replicas > 1 ? `, ${route.replicas} replicas` : ""}
        </p>
      ) : null}
      {route.continue ? <p class="dim">and on to the next route</p> : null}
    </Box>
  );
}

const BREAKER: Record<string, string> = { closed: "ready", open: "does not answer", half_open: "being tried" };

function DestinationBox(props: { destination: Destination; before: Destination | undefined; rate: Rate }) {
  const { destination, before, rate } = props;
  return (
    <Box name={destination.name} rate={rate(destination.delivered, before?.delivered)} state={BREAKER[destination.state] ?? destination.state}>
      <p class="dim">{destination.backend}</p>
      <p>
        {destination.queued === 0 ? "Nothing waits." : `${count(destination.queued)} points wait`}
        {destination.queued > 0 && destination.disk !== null
          ? `, ${formatted(destination.disk.bytes, "bytes")} on disk.`
          : destination.queued > 0
            ? "."
            : ""}
      </p>
      {destination.disk !== null && destination.disk.dead_letter_points > 0 ? (
        <p class="fair">{count(destination.disk.dead_letter_points)} dead letters</p>
      ) : null}
      <Drops verb="dropped" counts={destination.dropped} />
      <Balance left={destinationBalance(destination)} />
      {destination.error === null ? null : <p class="mono fair">{destination.error}</p>}
    </Box>
  );
}
