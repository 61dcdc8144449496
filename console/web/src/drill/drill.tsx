import { useEffect, useState } from "preact/hooks";
import { act, get, RequestError } from "../api";
import { useLive } from "../live";
import type { DrillState } from "../types";
import { Empty, Failure, Loading, useLoad } from "../ui/state";
import { Unlock, useUnlocked } from "../ui/unlock";
import { AnswerForm } from "./answer";
import { History } from "./history";
import { Verdict } from "./verdict";

const steps: [string, string][] = [["quiet", "1 Baseline"], ["search", "2 Find it"], ["recovery", "3 Recovery"]];

const leads: Record<string, string> = {
  idle: "A drill injects 500 ms of latency into one hop of checkout and keeps it secret. Find it with the map, the diagnosis and the traces, then name hop, operation and kind. The page does not receive the answer before you give yours.",
  quiet: "Recording a baseline; no fault yet. The clock starts with the fault.",
  search: "One hop is slower now. Find it, then answer below. Your answer lifts the fault.",
  recovery: "Answered. The fault is lifted; waiting for the latency to recover.",
};

// DrillView runs a blind drill, from its start to its verdict.
export function DrillView() {
  const { data: config, error } = useLoad("config", (signal) => get("GET /api/config", {}, signal));
  const live = useLive();
  if (error) return <Failure error={error} />;
  if (!config || !live.drill) return <Loading what="drills" />;
  if (!config.actions) {
    return <Empty title="Drills are off here">Drills need a storefront beside the console; start one with <code>tenhop up</code>.</Empty>;
  }
  return <Drills state={live.drill} />;
}

function Drills({ state }: { state: DrillState }) {
  const [unlocked, unlock, lock] = useUnlocked();
  const [error, setError] = useState("");
  const last = state.history[0];
  const [fresh] = useState(last?.at);
  const run = async (action: () => Promise<unknown>): Promise<void> => {
    try {
      setError("");
      await action();
    } catch (e) {
      if (e instanceof RequestError && e.status === 401) lock();
      setError((e as Error).message);
    }
  };
  return (
    <div class="drills">
      <section class={`card stage ${state.phase}`} aria-label="Drill">
        <div class="cardhead">
          <h1>Blind drill</h1>
          {state.phase !== "idle" && <button onClick={() => void run(() => act("DELETE /api/drill"))}>End the drill</button>}
        </div>
        {state.phase !== "idle" && <ol class="steps">{steps.map(([p, name]) => <li key={p} class={p === state.phase ? "on" : ""} aria-current={p === state.phase ? "step" : undefined}>{name}</li>)}</ol>}
        {state.phase !== "idle" && <Clock since={state.started ?? ""} />}
        <p class="lead">{leads[state.phase]}{state.phase === "quiet" && state.said ? ` (${state.said})` : ""}</p>
        {!unlocked ? <Unlock onDone={unlock} />
          : state.phase === "idle" ? <button class="primary start" onClick={() => void run(() => act("POST /api/drill"))}>Start a blind drill</button>
            : state.phase === "search" ? <AnswerForm send={(a) => run(() => act("POST /api/drill/answer", a))} /> : null}
        {state.phase === "search" && <p class="hint">Look at <a href="/">the map</a>, <a href="/diagnose">the diagnosis</a> and <a href="/search?service=gateway&operation=POST+%2Fcheckout&minDuration=300ms&lookback=5m">slow checkouts</a>.</p>}
        {(error || state.phase === "idle" && state.error) && <p class="bad" role="alert">{error || state.error}</p>}
      </section>
      {state.phase === "idle" && last && <Verdict entry={last} title={last.at === fresh ? "The last drill" : "Verdict"} />}
      {state.history.length > 0 && <History history={state.history} />}
    </div>
  );
}

function Clock({ since }: { since: string }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const t = setInterval(() => tick((n) => n + 1), 100);
    return () => clearInterval(t);
  }, []);
  const s = Math.max(0, (Date.now() - Date.parse(since)) / 1000) || 0;
  return <div class="clock" role="timer">{Math.floor(s / 60)}:{(s % 60).toFixed(1).padStart(4, "0")}</div>;
}
