import { useEffect, useState } from "preact/hooks";
import { get, withQuery, type Query } from "../api";
import { clock, millis, percent, shortOperation, signed } from "../format";
import { day } from "../incident/words";
import { useLive } from "../live";
import { go } from "../route";
import type { Alert, Diagnosis, DiagnosisView } from "../types";
import { RunbookLink } from "../ui/runbooks";
import { CopyLink } from "../ui/share";
import { Failure, useLoad } from "../ui/state";
import { Findings } from "./findings";
import { Notices, Sources } from "./notices";
import { Quantiles } from "./quantiles";
import { Timeline } from "./timeline";
import { between, calm, changed, end, entryName, named, permanent, raised, runbooks, timed } from "./words";

// DiagnoseView runs a diagnosis and shows everything that it finds.
export function DiagnoseView({ query }: { query: URLSearchParams }) {
  const entry = single(query.get("entry") ?? "");
  const range = Number(query.get("from")) > 0 && Number(query.get("to")) > 0 ? { from: query.get("from") ?? "", to: query.get("to") ?? "" } : undefined;
  const since = range ? "" : query.get("since") ?? "5m";
  const asked = { entry, since, ...range };
  const [turn, setTurn] = useState(0);
  const { data, error, loading, reload } = useLoad(`${JSON.stringify(asked)}${turn}`, (signal) => get("GET /api/diagnose", asked, signal));
  const live = useLive();
  const [last, setLast] = useState<DiagnosisView>();
  useEffect(() => {
    if (data) setLast(data);
  }, [data]);
  const set = (change: Record<string, string>) => {
    const q: Query = { ...asked, ...change };
    if (change["since"]) q["from"] = q["to"] = undefined;
    go(withQuery("/diagnose", q), true);
  };
  const operations = [...new Set([...(entry ? [entry] : []), ...(live.now?.entries.map((e) => e.operation) ?? [])])];
  const shown = data ?? last;
  return (
    <div class="diagnose">
      <div class="controls">
        <label>Entry
          <select value={entry} onChange={(e) => set({ entry: e.currentTarget.value })}>
            <option value="">the one that slowed most</option>{operations.map((o) => <option key={o}>{o}</option>)}
          </select>
        </label>
        <label>within the last
          <select value={since} onChange={(e) => set({ since: e.currentTarget.value })}>
            {range && <option value="">{between({ from: new Date(Number(range.from)).toISOString(), to: new Date(Number(range.to)).toISOString() })}</option>}
            {["2m", "5m", "15m", "1h", "6h"].map((s) => <option key={s}>{s}</option>)}
          </select>
        </label>
        <button class="primary" disabled={loading} onClick={() => setTurn(turn + 1)}>Diagnose again</button>
        {shown && <CopyLink address={location.origin + withQuery("/diagnose", permanent(shown, asked))} />}
        <span class="right" role="status">{loading ? <Timer /> : shown && <>took <b>{millis(shown.took_ms)}</b></>}</span>
      </div>
      {error ? <Failure error={error} retry={reload} /> : shown ? <Answer d={shown} asked={asked} alerts={range ? [] : live.now?.alerts ?? []} /> : <div class="card verdict"><h1>Asking Prometheus and Jaeger…</h1></div>}
    </div>
  );
}

// single returns the entry of a dashboard's link, whose variable may have several or all.
function single(entry: string): string {
  const one = entry.replace(/^\{(.*)\}$/, "$1");
  return one === ".*" || one.includes(",") ? "" : one;
}

function Timer() {
  const [began] = useState(() => performance.now());
  const [, tick] = useState(0);
  useEffect(() => {
    const t = setInterval(() => tick((n) => n + 1), 60);
    return () => clearInterval(t);
  }, []);
  return <>{((performance.now() - began) / 1000).toFixed(1)}&#8239;s</>;
}

function Answer({ d, asked, alerts }: { d: DiagnosisView; asked: Query; alerts: Alert[] }) {
  const top = d.findings[0];
  const minority = d.minority;
  const began = changed(d).from;
  const todo = raised(d) ? runbooks(d, alerts) : [];
  const quantiles = d.quantiles ?? [];
  return (
    <>
      <section class={`card verdict ${d.verdict}`} aria-live="polite">
        <h1><Verdict d={d} /></h1>
        {d.why && d.findings.length > 0 && <p>{d.why}</p>}
        {d.entry.operation && (
          <div class="figures">
            <div><span>entry</span><b>{entryName(d.entry)}</b></div>
            {d.errors && <div><span>fail{d.errors.type ? ` with ${d.errors.type}` : ""}</span><b><i>{percent(d.errors.baseline)} →</i> {percent(d.errors.now)}</b></div>}
            <div><span>{d.statistic}</span><b><i>{millis(d.baseline_ms)} →</i> {millis(d.now_ms)}</b></div>
            {d.p95.now_ms > 0 && <div><span>p95</span><b><i>{millis(d.p95.baseline_ms)} →</i> {millis(d.p95.now_ms)}</b></div>}
            {minority && <div><span>take more than {millis(minority.over_ms)}</span><b><i>{percent(minority.usual_share)} →</i> {percent(minority.share)}</b></div>}
            <div><span>requests before, now</span><b><i>{d.requests.baseline} ·</i> {d.requests.now}</b></div>
            {top && timed(top) && !top.errors && d.verdict !== "none" && <div><span>{d.statistic} without it</span><b>{millis(top.counterfactual_ms)}</b></div>}
            {raised(d) && <div><span>since</span><b><time dateTime={began}>{day(began) === day(new Date().toISOString()) ? "" : `${day(began)} `}{clock(Date.parse(began))}</time></b></div>}
          </div>
        )}
        <Notices d={d} />
        {todo.length > 0 && <div class="todo"><h2>What to do</h2><ul class="links">{todo.map((b) => <li key={b.url}><RunbookLink of={b} /></li>)}</ul></div>}
      </section>
      {d.findings.length > 0 && d.verdict !== "errors" && d.added_ms > 0 && <Stack d={d} />}
      {d.findings.length > 0 && <Findings d={d} />}
      {quantiles.length > 0 && <Quantiles bands={quantiles} />}
      {d.entry.operation && <Timeline d={d} />}
      {d.other_entries.length > 0 && (
        <section class="card"><div class="cardhead"><h2>Also slower</h2></div>
          <div class="chips">{d.other_entries.map((e) => <a class="chip" key={e.operation + e.flow} href={withQuery("/diagnose", { ...asked, entry: e.operation })}>{entryName(e)} <b>{signed(millis(e.added_ms ?? 0))}</b></a>)}</div>
        </section>
      )}
      <Sources d={d} asked={asked} />
    </>
  );
}

// Verdict says what a diagnosis found, in one sentence.
export function Verdict({ d }: { d: Diagnosis }) {
  const f = d.findings[0];
  if (d.verdict === "none") return <>{calm(d)}</>;
  if (!f) return <>{d.verdict === "errors" ? "Requests fail" : "Not sure"}: {d.why}</>;
  const unsure = d.verdict === "unsure" && "Not sure: ";
  if (f.errors) return (
    <>
      {unsure ? "Not sure: errors" : "Errors"} begin at <em>{f.hop}</em> {shortOperation(f.operation)}: {percent(f.errors.now)} of its requests fail{f.errors.type ? ` with ${f.errors.type}` : ""}, {percent(f.share)} of the added failures of {d.entry.operation}.
    </>
  );
  if (!timed(f)) return <>{unsure}<em>{named(f)}</em>: {f.evidence ?? "it differs from the baseline"}.</>;
  return (
    <>
      {unsure}<em>{named(f)}</em>{f.kind === "self" && <> {shortOperation(f.operation)}</>}: {f.kind === "self" && "self time "}{signed(millis(f.added_ms))}, {percent(f.share)} of the time added to {d.entry.operation}{end(f)}.
    </>
  );
}

// Stack shows the entry's mean before and now, with the time that each finding adds.
function Stack({ d }: { d: Diagnosis }) {
  const found = d.findings.filter((f) => f.added_ms > 0).slice(0, 4);
  const rest = Math.max(0, d.added_ms - found.reduce((n, f) => n + f.added_ms, 0));
  const whole = Math.max(d.now_ms, d.baseline_ms, d.baseline_ms + found.reduce((n, f) => n + f.added_ms, 0));
  const width = (ms: number) => (e: HTMLElement | null) => { if (e) e.style.width = `${(100 * ms) / whole}%`; };
  return (
    <section class="card stackcard" aria-label="Where the added time went">
      <div class="cardhead"><h2>Where the added time went</h2><span class="dim">{d.statistic} of {entryName(d.entry)}</span></div>
      <div class="stack">
        <span class="num dim">before</span>
        <div class="track"><span class="seg base" ref={width(d.baseline_ms)}>{d.baseline_ms / whole > 0.1 ? "baseline" : ""}</span></div>
        <b class="num">{millis(d.baseline_ms)}</b>
        <span class="num dim">now</span>
        <div class="track">
          <span class="seg base" ref={width(d.baseline_ms)} title={`baseline ${millis(d.baseline_ms)}`} />
          {found.map((f, i) => <span key={f.rank} class={`seg f${i + 1}`} ref={width(f.added_ms)} title={`${named(f)} ${signed(millis(f.added_ms))}`}>{f.added_ms / whole > 0.08 ? `${named(f)} ${signed(millis(f.added_ms))}` : ""}</span>)}
          {rest / whole > 0.004 && <span class="seg rest" ref={width(rest)} title={`unexplained: ${millis(rest)}`} />}
        </div>
        <b class="num">{millis(d.now_ms)}</b>
      </div>
    </section>
  );
}

