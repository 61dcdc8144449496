import { clock, micros, percent } from "../format";
import type { Field, Trace } from "../types";
import { isCall, type Placed } from "./rows";

interface Props { trace: Trace; index: number; logs: Placed[]; close: () => void }

// Detail shows all fields and events of a span.
export function Detail({ trace, index, logs, close }: Props) {
  const s = trace.spans[index];
  if (!s) return null;
  const critical = (s.critical ?? []).reduce((sum, [a, b]) => sum + b - a, 0);
  const call = isCall(s);
  return (
    <section class="card detail" aria-label="Span">
      <div class="cardhead"><h2>{s.service}</h2><button class="quiet" onClick={close} aria-label="Close">✕</button></div>
      <p class="mono">{s.operation}</p>
      <p class="dim">{s.kind}{s.peer ? ` to ${s.peer}` : ""} · starts at {micros(s.start)} · {clock((trace.start + s.start) / 1000, true)}</p>
      <div class="times">
        <div><span>duration</span><b>{micros(s.duration)}</b></div>
        <div><span>{call ? (s.self === s.duration ? "waited" : "on the link") : "self time"}</span><b>{micros(s.self)}</b></div>
        <div><span>critical path</span><b>{micros(critical)}</b></div>
        {s.queue && <div><span>{s.queue.kind === "topic" ? "in the topic" : "in the outbox"}</span><b>{micros(s.queue.to - s.queue.from)}</b></div>}
        <div><span>of the trace</span><b>{percent(s.duration / Math.max(1, trace.duration))}</b></div>
      </div>
      {logs.length > 0 && <h3>Log lines</h3>}
      {logs.map((l, i) => (
        <div class="line" key={i}>
          <b class={l.line.level === "error" ? "bad" : ""}>{l.line.level}</b> {l.line.message}
          <Fields fields={Object.entries(l.line.fields).map(([k, v]) => [k, typeof v === "object" ? JSON.stringify(v) : String(v)])} />
        </div>
      ))}
      {(s.events ?? []).length > 0 && <h3>Events</h3>}
      {(s.events ?? []).map((e, i) => <div class="line" key={i}><span class="dim">{micros(e.at - s.start)}</span><Fields fields={e.fields} /></div>)}
      <h3>Attributes</h3>
      <Fields fields={s.tags} service={s.service} />
      {s.resource && s.resource.length > 0 && <><h3>Resource</h3><Fields fields={s.resource} /></>}
      <h3>Span ID</h3><p class="mono">{s.id}</p>
    </section>
  );
}

// Fields lists keys and values. With a service, each links to the traces with the same value.
function Fields({ fields, service }: { fields: Field[]; service?: string }) {
  return (
    <dl>
      {fields.map(([k, v]) => (
        <>
          <dt key={k}>{k}</dt>
          <dd>{service && v.length < 80 ? <a title="Traces with the same value" href={`/search?service=${encodeURIComponent(service)}&tags=${encodeURIComponent(JSON.stringify({ [k]: v }))}`}>{v}</a> : v}</dd>
        </>
      ))}
    </dl>
  );
}
