import { useEffect, useMemo, useState } from "preact/hooks";
import { get } from "../api";
import { clock, micros, percent, shortOperation } from "../format";
import { go } from "../route";
import type { LogLine, Trace } from "../types";
import { Failure, Loading, useLoad } from "../ui/state";
import { Detail } from "./detail";
import { matches, place } from "./rows";
import { ShapeOf } from "./shape";
import { Waterfall } from "./waterfall";

// TraceView shows one trace, including what followed asynchronously.
export function TraceView({ id, query }: { id: string; query: URLSearchParams }) {
  const { data: trace, error, reload } = useLoad(id, (signal) => get("GET /api/traces/{id}", {}, signal, { id }));
  if (error) return <Failure error={error} retry={reload} />;
  if (!trace) return <Loading what="the trace" />;
  return <Loaded key={id} trace={trace} span={query.get("span") ?? query.get("uiFind") ?? ""} />;
}

function Loaded({ trace, span }: { trace: Trace; span: string }) {
  const [chosen, choose] = useState(() => trace.spans.findIndex((s) => s.id === span));
  const [filter, setFilter] = useState("");
  const [withLogs, setWithLogs] = useState(false);
  const [lines, setLines] = useState<LogLine[]>([]);
  const [noLogs, setNoLogs] = useState("");
  useEffect(() => {
    get("GET /api/traces/{id}/logs", { from: trace.start, to: trace.start + trace.duration }, undefined, { id: trace.trace_id })
      .then(setLines, (e: Error) => setNoLogs(e.message));
  }, [trace]);
  const logs = useMemo(() => place(trace, lines), [trace, lines]);
  const matching = useMemo(() => (filter ? trace.spans.filter((s) => matches(s, filter)).length : 0), [trace, filter]);
  const close = () => {
    choose(-1);
    document.querySelector<HTMLElement>(".fall .rows")?.focus();
  };
  const root = trace.spans[0]!;
  const failed = trace.spans.filter((s) => s.failed).length;
  return (
    <div class="trace">
      <div class="tracehead">
        <h1>{root.service} <span>{shortOperation(root.operation)}</span></h1>
        <div class="facts">
          <b>{micros(root.duration)}</b>
          {trace.duration > root.duration * 1.02 && <span>all of it done after {micros(trace.duration)}</span>}
          <span>{clock(trace.start / 1000, true)}</span>
          <span>{trace.spans.length} spans, {trace.services.length} services</span>
          {failed > 0 && <span class="bad">{failed} failed</span>}
          {trace.roots > 1 && <span class="bad" title="Spans whose parent is not stored are shown below the span that ran around them">{trace.roots - 1} parents missing</span>}
          {trace.correlation_id && <a href={`/search?correlation=${encodeURIComponent(trace.correlation_id)}`} title="Everything with this correlation ID">correlation {trace.correlation_id}</a>}
        </div>
        <Actions id={trace.trace_id} />
      </div>
      <Where trace={trace} />
      {trace.shape && <ShapeOf shape={trace.shape} />}
      <div class={`withdetail ${chosen < 0 ? "alone" : ""}`}>
        <section class="card fallcard" aria-label="Waterfall">
          <div class="fallbar">
            <ul class="legend">
              <li><i class="box self" />self time</li><li><i class="box wait" />waiting for others</li><li><i class="box dep" />store or topic</li>
              <li><i class="box link" />link</li><li><i class="box queue" />queued</li><li><i class="line crit" />critical path</li>
            </ul>
            <label class="check" title={noLogs}>
              <input type="checkbox" checked={withLogs} disabled={lines.length === 0} onChange={(e) => setWithLogs(e.currentTarget.checked)} />
              {noLogs ? "no log lines: Loki did not answer" : `${lines.length} log lines`}
            </label>
            <span class="dim" role="status">{filter && `${matching} of ${trace.spans.length} spans`}</span>
            <input aria-label="Find in spans" placeholder="Find service, operation, key=value" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
          </div>
          <Waterfall trace={trace} logs={logs} withLogs={withLogs} filter={filter} chosen={chosen} choose={choose} />
        </section>
        {chosen >= 0 && <Detail trace={trace} index={chosen} logs={logs.get(chosen) ?? []} close={close} />}
      </div>
    </div>
  );
}

function Actions({ id }: { id: string }) {
  const [other, setOther] = useState("");
  const compare = (e: Event) => {
    e.preventDefault();
    go(`/compare?a=${encodeURIComponent(other.trim())}&b=${id}`);
  };
  return (
    <div class="actions">
      <form onSubmit={compare}><input aria-label="Another trace's ID" placeholder="compare with trace ID" value={other} onInput={(e) => setOther(e.currentTarget.value)} /></form>
      <a class="button primary" href={`/compare?b=${id}`}>Compare with its usual</a>
    </div>
  );
}

// Where shows each service's part of the critical path as one bar: its own work, its
// waits for stores and queues, and its links.
function Where({ trace }: { trace: Trace }) {
  const shown = trace.services.filter((s) => s.self > 0).sort((a, b) => b.self - a.self);
  const sum = shown.reduce((n, s) => n + s.self, 0);
  if (sum === 0) return null;
  const most = shown[0]!.self / sum > 0.5;
  return (
    <div class="whole" role="img" aria-label={`Critical path by service: ${shown.map((s) => `${s.name} ${micros(s.self)}`).join(", ")}`}>
      {shown.map((s, i) => (
        <span key={s.name} class={i === 0 && most ? "most" : ""} title={`${s.name}: ${micros(s.self)} of the critical path, ${percent(s.self / sum)}`}
          ref={(e) => { if (e) e.style.flex = `${s.self / sum} 1 0`; }}>{s.name} {micros(s.self)}</span>
      ))}
    </div>
  );
}
