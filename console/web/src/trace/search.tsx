import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { ago, clock, micros, shortOperation } from "../format";
import { go } from "../route";
import type { Found } from "../types";
import { Empty, Failure, Loading, useLoad } from "../ui/state";
import { Scatter } from "./scatter";

const fields = ["service", "operation", "tags", "correlation", "minDuration", "maxDuration", "lookback", "start", "end", "limit"] as const;
type Form = Record<(typeof fields)[number], string>;

const lookbacks: [string, string][] = [["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "hour"], ["6h", "6 hours"], ["1d", "day"], ["custom", "from … to …"]];

function read(query: URLSearchParams): Form {
  const form = Object.fromEntries(fields.map((f) => [f, query.get(f) ?? ""])) as Form;
  return { ...form, lookback: form.lookback || (form.start ? "custom" : "1h"), limit: form.limit || "20" };
}

// SearchView finds traces. Its address has the parameters of Jaeger's search.
export function SearchView({ query }: { query: URLSearchParams }) {
  const asked = query.get("service") || query.get("correlation");
  const text = query.toString();
  return (
    <div class="search">
      <SearchForm key={text} initial={read(query)} />
      <div class="results">
        {asked ? <Results text={text} /> : (
          <Empty title="Search traces">Choose a service, or enter a correlation ID, which needs no service. For a trace ID, use the field at the top.</Empty>
        )}
      </div>
    </div>
  );
}

const local = (us: string): string => {
  if (!us) return "";
  const d = new Date(Number(us) / 1000);
  return new Date(d.getTime() - d.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
};

function SearchForm({ initial }: { initial: Form }) {
  const [form, setForm] = useState(initial);
  const [services, setServices] = useState<string[]>([]);
  const [operations, setOperations] = useState<string[]>([]);
  useEffect(() => {
    get("GET /api/services").then(setServices, () => setServices([]));
  }, []);
  useEffect(() => {
    if (!form.service) return setOperations([]);
    get("GET /api/services/{name}/operations", {}, undefined, { name: form.service }).then(setOperations, () => setOperations([]));
  }, [form.service]);
  const set = (name: keyof Form) => (e: Event) => setForm({ ...form, [name]: (e.currentTarget as HTMLInputElement).value });
  const submit = (e: Event) => {
    e.preventDefault();
    const q = new URLSearchParams();
    for (const f of fields) {
      if (form[f] && !(form.lookback !== "custom" && (f === "start" || f === "end"))) q.set(f, form[f]);
    }
    const next = `/search?${q}`;
    if (next === location.pathname + location.search) dispatchEvent(new Event("search-again"));
    else go(next);
  };
  const moment = (name: "start" | "end") => (e: Event) => {
    const v = (e.currentTarget as HTMLInputElement).value;
    setForm({ ...form, [name]: v ? String(new Date(v).getTime() * 1000) : "" });
  };
  const list = (names: string[], now: string) => (now && !names.includes(now) ? [now, ...names] : names);
  return (
    <form class="card searchform" onSubmit={submit} aria-label="Search traces">
      <label>Service
        <select name="service" value={form.service} onChange={(e) => setForm({ ...form, service: e.currentTarget.value, operation: "" })}>
          <option value="">–</option>{list(services, form.service).map((s) => <option key={s}>{s}</option>)}
        </select>
      </label>
      <label>Operation
        <select name="operation" value={form.operation} onChange={set("operation")}>
          <option value="">all</option>{list(operations, form.operation).map((o) => <option key={o} value={o}>{shortOperation(o)}</option>)}
        </select>
      </label>
      <label>Tags<input name="tags" value={form.tags} placeholder="error=true region=eu" spellcheck={false} onInput={set("tags")} /></label>
      <label>Correlation ID<input name="correlation" value={form.correlation} spellcheck={false} onInput={set("correlation")} /></label>
      <div class="twin">
        <label>At least<input name="minDuration" value={form.minDuration} placeholder="250ms" onInput={set("minDuration")} /></label>
        <label>At most<input name="maxDuration" value={form.maxDuration} placeholder="2s" onInput={set("maxDuration")} /></label>
      </div>
      <label>The last
        <select name="lookback" value={form.lookback} onChange={set("lookback")}>
          {list(lookbacks.map(([v]) => v), form.lookback).map((v) => <option key={v} value={v}>{lookbacks.find(([k]) => k === v)?.[1] ?? v}</option>)}
        </select>
      </label>
      {form.lookback === "custom" && (
        <>
          <label>From<input type="datetime-local" step="1" value={local(form.start)} onInput={moment("start")} required /></label>
          <label>To<input type="datetime-local" step="1" value={local(form.end)} onInput={moment("end")} required /></label>
        </>
      )}
      <label>Traces<input type="number" name="limit" min="1" max="200" value={form.limit} onInput={set("limit")} /></label>
      <button class="primary" disabled={!form.service && !form.correlation}>Search</button>
    </form>
  );
}

function Results({ text }: { text: string }) {
  const asked = new URLSearchParams(text);
  const waits = !!asked.get("correlation") && !asked.get("end");
  if (waits) asked.set("wait", "10s");
  const { data, error, loading, reload } = useLoad(text, (signal) => get("GET /api/traces", asked, signal));
  const [picked, pick] = useState<string[]>([]);
  const [sort, setSort] = useState<"newest" | "slowest">("newest");
  useEffect(() => {
    addEventListener("search-again", reload);
    return () => removeEventListener("search-again", reload);
  }, [text]);
  if (error) return <Failure error={error} retry={reload} />;
  if (!data) return <Loading what={waits ? "traces; spans on their way are waited for" : "traces"} />;
  if (data.length === 0) {
    return <Empty title="No traces found">Search a longer time, remove a tag, or lower “At least”. Spans arrive within a second or two.</Empty>;
  }
  const longest = Math.max(...data.map((t) => t.root));
  const shown = sort === "newest" ? data : [...data].sort((a, b) => b.root - a.root);
  const toggle = (id: string) => pick((now) => (now.includes(id) ? now.filter((p) => p !== id) : [...now.slice(-1), id]));
  return (
    <>
      <section class="card" aria-label="Durations">
        <div class="cardhead">
          <h2>{data.length} traces</h2>
          {loading && <span class="dim">searching…</span>}
          <span class="comparebar">
            <select aria-label="Order" value={sort} onChange={(e) => setSort(e.currentTarget.value as "newest" | "slowest")}>
              <option value="newest">newest first</option><option value="slowest">slowest first</option>
            </select>
            <button disabled={picked.length !== 2} onClick={() => go(`/compare?a=${picked[0]}&b=${picked[1]}`)}>
              {picked.length === 2 ? "Compare the two" : "Choose two to compare"}
            </button>
          </span>
        </div>
        <Scatter traces={data} />
      </section>
      <section class="card" aria-label="Traces">
        <p class="hint"><i class="own" /> the hop with the most time of its own, which the right names <i class="rest" /> all other time</p>
        <ul class="found">{shown.map((t) => <Row key={t.trace_id} t={t} longest={longest} picked={picked.includes(t.trace_id)} toggle={toggle} />)}</ul>
      </section>
    </>
  );
}

interface RowProps { t: Found; longest: number; picked: boolean; toggle: (id: string) => void }

function Row({ t, longest, picked, toggle }: RowProps) {
  const most = t.services.find((s) => s.name === t.slowest);
  const self = Math.min(most?.self ?? 0, t.root);
  return (
    <li>
      <input type="checkbox" aria-label={`Compare ${t.trace_id}`} checked={picked} onChange={() => toggle(t.trace_id)} />
      <a class="name" href={`/trace/${t.trace_id}`}>{t.service} <span>{shortOperation(t.operation)}</span></a>
      <b class="num">{micros(t.root)}</b>
      <span class="meta" title={clock(t.start / 1000, true)}>{ago(t.start / 1000)}</span>
      <span />
      <span class="len" title={`${micros(self)} of its critical path in ${t.slowest}`}>
        <i ref={(e) => { if (e) e.style.width = `${(100 * self) / longest}%`; }} />
        <i ref={(e) => { if (e) e.style.width = `${(100 * (t.root - self)) / longest}%`; }} />
      </span>
      <span class="meta">
        {t.failed > 0 && <span class="fail">{t.failed} failed · </span>}{t.slowest && <><b>{t.slowest}</b> {micros(self)} · </>}{t.spans} spans
      </span>
    </li>
  );
}
