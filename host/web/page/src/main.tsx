// The page: its frame, and which view is shown in it.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { go, VIEWS, type View, view } from "./address";
import { contact } from "./api";
import { start } from "./live";
import { Problem } from "./parts";
import { type Past, recent, version } from "./recent";
import { paused, time, token, zone } from "./settings";
import { Explore } from "./views/explore";
import { FlowView } from "./views/flow";
import { Now } from "./views/now";
import { PluginsView } from "./views/plugins";
import { QueryView } from "./views/query";

interface First {
  version: string;
  endpoint?: string;
  needsToken: boolean;
  past: Past | null;
}

const TITLES: Record<View, string> = {
  now: "Now",
  explore: "Explore",
  query: "Query",
  plugins: "Plugins",
  flow: "Flow",
};
const SHOWN = { now: Now, explore: Explore, query: QueryView, plugins: PluginsView, flow: FlowView };

const first: First = JSON.parse(document.getElementById("first")?.textContent ?? "{}");

function Shell() {
  const shown = view.value;
  const View = SHOWN[shown];
  useEffect(() => {
    document.title = `${first.endpoint ?? "saker"} · ${TITLES[shown]}`;
  }, [shown]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        To the content
      </button>
      <header class="top">
        <a class="brand" href="#/now">
          <img src="/page/icon.svg" alt="saker" width="22" height="22" />
          <span>{first.endpoint ?? "saker"}</span>
        </a>
        <nav aria-label="Views">
          {VIEWS.map((name, place) => (
            <a
              key={name}
              href={`#/${name}`}
              aria-current={name === shown ? "page" : undefined}
              title={`Key ${place + 1}`}
            >
              {TITLES[name]}
            </a>
          ))}
        </nav>
        <Controls />
      </header>
      <main id="main" tabIndex={-1} class={contact.value === "gone" ? "stale" : ""}>
        {contact.value === "gone" ? <Gone /> : null}
        {contact.value === "token" ? <Token /> : <View />}
      </main>
      <footer>
        saker {first.version}
        <span>
          keys: <kbd>1</kbd>–<kbd>5</kbd> views, <kbd>p</kbd> pause, <kbd>z</kbd> time zone
        </span>
      </footer>
    </>
  );
}

const WORDS = { connecting: "connecting", live: "live", gone: "no answer", token: "token needed" };

function Controls() {
  const state = paused.value ? "paused" : contact.value;
  return (
    <div class="controls">
      <button type="button" aria-pressed={zone.value === "UTC"} title="Key z" onClick={turn}>
        {zone.value === "UTC" ? "UTC" : "local time"}
      </button>
      <button type="button" class={`contact ${state}`} aria-pressed={paused.value} title="Pause, key p" onClick={pause}>
        <span class="dot" aria-hidden="true" />
        <span role="status">{paused.value ? "paused" : WORDS[contact.value]}</span>
      </button>
    </div>
  );
}

function turn(): void {
  zone.value = zone.value === "UTC" ? "local" : "UTC";
}

function pause(): void {
  paused.value = !paused.value;
}

function Gone() {
  version.value;
  return (
    <p class="notice" role="alert">
      The agent does not answer. {recent.newest > 0 ? `This is how things were at ${time(recent.newest)}.` : ""} The
      page goes on by itself when it is back.
    </p>
  );
}

function Token() {
  const [text, setText] = useState("");
  const tried = token.value !== "";
  return (
    <form
      class="door card"
      onSubmit={(event) => {
        event.preventDefault();
        // The same one again is tried again.
        token.value = "";
        contact.value = "connecting";
        token.value = text.trim();
      }}
    >
      <h1>This agent wants a token</h1>
      <p>
        It is the first line of the file that <code>listen.token_file</code> names. It stays in this tab, and goes when
        the tab does.
      </p>
      {tried ? <Problem message="That is not the token." /> : null}
      <label>
        Token
        <input
          type="password"
          autocomplete="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="main" disabled={text.trim() === ""}>
        Show the host
      </button>
    </form>
  );
}

addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (event.altKey || event.ctrlKey || event.metaKey || target.matches("input, textarea, select")) return;
  const wanted = VIEWS[Number(event.key) - 1];
  if (wanted !== undefined) go(wanted);
  else if (event.key === "p") pause();
  else if (event.key === "z") turn();
  else return;
  event.preventDefault();
});

if (first.past !== null && first.past !== undefined) {
  recent.take(first.past);
  contact.value = "live";
  version.value += 1;
} else if (first.needsToken && token.value === "") {
  contact.value = "token";
}
const page = document.getElementById("page");
if (page !== null) render(<Shell />, page);
start();
