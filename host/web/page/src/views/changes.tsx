// What changed in a window, with a sentence on why each series is listed.
import { useState } from "preact/hooks";
import { go } from "../address";
import { get } from "../api";
import { Card, Empty, Unanswered } from "../parts";
import { usePolled } from "../polled";
import { families, type Ranking, sentence } from "../ranking";
import { duration } from "../units";

const AGAIN_MS = 60_000;
const SHOWN = 6;
/** A little less than an hour is as good. */
const HOUR_MS = 3_500_000;

export function Changes(props: { window: [number, number] | undefined }) {
  const [from, to] = props.window ?? [0, 0];
  // Another window is another question: the part begins anew.
  return <Ranked key={`${from}-${to}`} from={from} to={to} />;
}

function Ranked(props: { from: number; to: number }) {
  const [all, setAll] = useState(false);
  const window = props.to > 0 ? `?start=${props.from * 1000}&end=${props.to * 1000}` : "";
  const asked = usePolled((abort) => get<Ranking>(`/saker/v1/page/changes${window}`, abort), AGAIN_MS);
  const ranking = asked.value.value;
  const title = props.to > 0 ? "What changed in this window" : "What changed in the last ten minutes";
  const note = ranking === undefined ? undefined : compared(ranking);
  return (
    <Card title={title} wide {...(note === undefined ? {} : { note })}>
      {ranking === undefined ? (
        <Unanswered what="Comparing all series" asked={asked} />
      ) : (
        <List ranking={ranking} all={all} more={() => setAll(true)} />
      )}
    </Card>
  );
}

function compared(ranking: Ranking): string {
  const series = `${ranking.series} series`;
  if (ranking.history_ms < HOUR_MS) {
    return `${series}. There is less than an hour of history (${duration(ranking.history_ms / 1000)}), so this is a first guess.`;
  }
  const day = ranking.has_day_before
    ? " and with the same hour of yesterday"
    : "; there is no yesterday to compare with yet";
  return `${series}, compared with the hour before${day}.`;
}

function List(props: { ranking: Ranking; all: boolean; more: () => void }) {
  const found = families(props.ranking.changes);
  if (found.length === 0) return <Empty title="Nothing stands out." />;
  const shown = props.all ? found : found.slice(0, SHOWN);
  return (
    <>
      <ol class="changes">
        {shown.map(({ first, more }) => (
          <li key={`${first.metric} ${Object.values(first.tags).join(" ")}`}>
            <span class={first.now > first.before ? "arrow up" : "arrow down"} aria-hidden="true">
              {first.now > first.before ? "▲" : "▼"}
            </span>
            <button type="button" class="link" onClick={() => go("explore", { metric: first.metric, range: "1h" })}>
              {first.metric}
            </button>
            <span class="tags">{Object.values(first.tags).join(" ")}</span>
            <span class="why">
              {sentence(first)}
              {more > 0 ? ` So did ${more} more of its kind.` : ""}
            </span>
          </li>
        ))}
      </ol>
      {found.length > shown.length ? (
        <button type="button" onClick={props.more}>
          {found.length - shown.length} more
        </button>
      ) : null}
    </>
  );
}
