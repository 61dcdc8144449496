import { useEffect, useState } from "preact/hooks";
import { upstream } from "../api";
import { clock } from "../format";
import type { Panel } from "./model";
import { stepFor } from "./time";
import type { Context } from "./query";
import { interpolate } from "./vars";

interface Streams { data: { result: { stream: Record<string, string>; values: [string, string][] }[] } }
interface Line { at: number; level: string; service: string; message: string; fields: [string, string][]; trace: string }

// Logs lists the newest lines. A line with a trace ID links to the trace.
export function Logs({ panel: p, context: c, seen }: { panel: Panel; context: Context; seen: boolean }) {
  const [lines, setLines] = useState<Line[]>();
  const [error, setError] = useState("");
  const target = (p.targets ?? [])[0];
  useEffect(() => {
    if (!seen || !target?.expr) return;
    const abort = new AbortController();
    const query = interpolate(target.expr, c.variables, c.values, c.times, stepFor(c.times));
    upstream<Streams>("loki/query_range", { query, start: `${c.times.from}000000000`, end: `${c.times.to}000000000`, limit: target.maxLines ?? 100, direction: "backward" }, abort.signal)
      .then((a) => { setLines(read(a)); setError(""); }, (e: Error) => { if (!abort.signal.aborted) setError(e.message); });
    return () => abort.abort();
  }, [c, seen]);
  if (error && !lines) return <div class="note bad">{error}</div>;
  if (!lines) return <div class="note loading">…</div>;
  if (lines.length === 0) return <div class="note">No lines in this range.</div>;
  return (
    <div class="body scroll logs">
      {lines.map((l, i) => (
        <details key={`${l.at}-${i}`}>
          <summary><span class="dim">{clock(l.at)}</span><span class={`level ${l.level}`}>{l.level}</span><b>{l.service}</b><span>{l.message}</span></summary>
          <dl>{l.fields.map(([k, v]) => <><dt>{k}</dt><dd>{v}</dd></>)}{l.trace && <><dt>trace</dt><dd><a href={`/trace/${l.trace}`}>{l.trace}</a></dd></>}</dl>
        </details>
      ))}
    </div>
  );
}

function read(a: Streams): Line[] {
  return a.data.result.flatMap((s) => s.values.map(([ns, text]): Line => {
    let fields: Record<string, unknown> = {};
    try {
      fields = JSON.parse(text) as Record<string, unknown>;
    } catch {
      fields = { message: text };
    }
    const is = (k: string) => (fields[k] === undefined ? s.stream[k] ?? "" : String(fields[k]));
    const told = ["operation", "status", "duration_ms", "self_ms"].filter((k) => fields[k] !== undefined).map((k) => `${k}=${String(fields[k])}`).join("  ");
    return { at: Number(ns.slice(0, -6)), level: is("level"), service: is("service_name") || is("service"), message: `${is("message")}  ${told}`, trace: is("trace_id"),
      fields: Object.entries(fields).map(([k, v]): [string, string] => [k, typeof v === "object" ? JSON.stringify(v) : String(v)]) };
  })).sort((x, y) => y.at - x.at);
}
