import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { micros, shortOperation } from "../format";
import type { Trace } from "../types";
import { isCall, matches, sizes, visible, type Placed, type Row } from "./rows";

const rowHeight = 26;
const spare = 12; // rows drawn beyond each edge, for fast scrolling

interface Props {
  trace: Trace; logs: Map<number, Placed[]>; withLogs: boolean; filter: string; chosen: number; choose: (index: number) => void;
}

// Waterfall draws the rows in view only: a trace may have thousands of spans.
export function Waterfall({ trace, logs, withLogs, filter, chosen, choose }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [folded, setFolded] = useState<Set<number>>(new Set());
  const rows = useMemo(() => visible(trace, folded, logs, withLogs), [trace, folded, logs, withLogs]);
  const size = useMemo(() => sizes(trace), [trace]);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const seen = new ResizeObserver(() => setView((v) => ({ ...v, height: el.clientHeight })));
    seen.observe(el);
    return () => seen.disconnect();
  }, []);
  const fold = (index: number, to?: boolean) => {
    const next = new Set(folded);
    if (to ?? !next.has(index)) next.add(index);
    else next.delete(index);
    setFolded(next);
  };
  const show = (row: number) => {
    const el = box.current;
    const r = rows[row];
    if (!el || !r) return;
    choose(r.index);
    if (row * rowHeight < el.scrollTop) el.scrollTop = row * rowHeight;
    if ((row + 1) * rowHeight > el.scrollTop + el.clientHeight) el.scrollTop = (row + 1) * rowHeight - el.clientHeight;
  };
  const keys = (e: KeyboardEvent) => {
    const at = rows.findIndex((r) => r.index === chosen && !r.log);
    const step: Record<string, () => void> = {
      ArrowDown: () => show(at < 0 ? 0 : Math.min(rows.length - 1, rows.findIndex((r, i) => i > at && !r.log) < 0 ? at : rows.findIndex((r, i) => i > at && !r.log))),
      ArrowUp: () => show(Math.max(0, rows.findLastIndex((r, i) => i < at && !r.log))),
      ArrowLeft: () => (folded.has(chosen) || size[chosen] === 1 ? choose(trace.spans[chosen]?.parent ?? -1) : fold(chosen, true)),
      ArrowRight: () => fold(chosen, false),
      Home: () => show(0),
      End: () => show(rows.length - 1),
      Escape: () => choose(-1),
    };
    const run = step[e.key];
    if (!run) return;
    e.preventDefault();
    run();
  };
  const first = Math.max(0, Math.floor(view.top / rowHeight) - spare);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + spare);
  return (
    <div class="fall" role="tree" aria-label="Spans" tabIndex={0} onKeyDown={keys}
      aria-activedescendant={chosen >= 0 ? `span-${chosen}` : undefined}>
      <Ruler duration={trace.duration} />
      <div class="rows" ref={box} onScroll={(e) => { const top = e.currentTarget.scrollTop; setView((v) => ({ ...v, top })); }}
        tabIndex={-1}>
        <div class="space" ref={(e) => { if (e) e.style.height = `${rows.length * rowHeight}px`; }} />
        {rows.slice(first, last).map((r, i) => {
          const n = first + i;
          const dim = filter !== "" && !matches(r.span, filter);
          return r.log
            ? <LogRow key={`l${n}`} row={r} log={r.log} top={n * rowHeight} choose={choose} />
            : <SpanRow key={r.index} row={r} top={n * rowHeight} duration={trace.duration} logs={logs.get(r.index) ?? []} below={size[r.index]! - 1}
                folded={folded.has(r.index)} fold={fold} dim={dim} chosen={r.index === chosen} choose={choose} />;
        })}
      </div>
    </div>
  );
}

function Ruler({ duration }: { duration: number }) {
  return (
    <div class="ruler">
      <span />
      <div class="ticks">{[0, 0.25, 0.5, 0.75, 1].map((f) => <span key={f} ref={(e) => { if (e) e.style.left = `${100 * f}%`; }}>{micros(f * duration)}</span>)}</div>
    </div>
  );
}

interface SpanProps {
  row: Row; top: number; duration: number; logs: Placed[]; below: number; folded: boolean; fold: (i: number) => void; dim: boolean;
  chosen: boolean; choose: (i: number) => void;
}

// at places an element between two times. The content policy forbids style
// attributes in markup, so the style is set on the element.
const at = (from: number, to: number, duration: number) => (e: HTMLElement | null) => {
  if (!e) return;
  e.style.left = `${(100 * from) / duration}%`;
  e.style.width = `${(100 * (to - from)) / duration}%`;
};

// deep indents a label by its depth, from a number of pixels on.
const deep = (depth: number, from = 8) => (e: HTMLElement | null) => {
  if (!e) return;
  e.style.setProperty("--depth", String(Math.min(depth, 16)));
  e.style.setProperty("--at", `${from}px`);
};

function SpanRow({ row, top, duration, logs, below, folded, fold, dim, chosen, choose }: SpanProps) {
  const s = row.span;
  const d = Math.max(1, duration);
  const call = isCall(s);
  const end = s.start + s.duration;
  const leaf = call && below === 0;
  const late = end / d > 0.86;
  const words = `${s.service} ${s.operation}, ${micros(s.duration)}, ${call ? "waiting" : `self time ${micros(s.self)}`}`;
  return (
    <div class={`row ${s.failed ? "failed" : ""} ${chosen ? "on" : ""} ${dim ? "miss" : ""}`} id={`span-${row.index}`} role="treeitem"
      aria-level={s.depth + 1} aria-selected={chosen} aria-expanded={below > 0 ? !folded : undefined} aria-label={words}
      ref={(e) => { if (e) e.style.top = `${top}px`; }} onClick={() => choose(row.index)} title={`${s.service} · ${s.operation}`}>
      <div class="label" ref={deep(s.depth)}>
        <button class={`toggle ${below > 0 ? "" : "none"}`} tabIndex={-1} aria-hidden="true" onClick={(e) => { e.stopPropagation(); fold(row.index); }}>{folded ? "▸" : "▾"}</button>
        {!call && <b>{s.service}</b>}
        <span>{call ? `→ ${s.peer || ""} ${shortOperation(s.operation)}` : shortOperation(s.operation)}</span>
        {(s.kind === "consumer" || s.kind === "producer") && <i class={`k ${s.kind}`}>{s.kind}</i>}
        {folded && row.hidden > 0 && <i class="k">+{row.hidden}</i>}
      </div>
      <div class="lane">
        {s.queue && <i class="queue" ref={at(s.queue.from, s.queue.to, d)} title={`${micros(s.queue.to - s.queue.from)} in the ${s.queue.kind}`} />}
        <i class={call ? `call ${leaf ? "leaf" : ""}` : "wait"} ref={at(s.start, end, d)} />
        {!leaf && s.busy.map(([a, b]) => <i key={a} class={`busy ${call ? "gap" : ""}`} ref={at(a, b, d)} />)}
        {s.critical?.map(([a, b]) => <i key={a} class="crit" ref={at(a, b, d)} />)}
        {logs.map((l, i) => <i key={i} class={`log ${l.line.level}`} ref={(e) => { if (e) e.style.left = `${(100 * l.at) / d}%`; }} title={`${l.line.level}: ${l.line.message}`} />)}
        <span class="time" ref={(e) => {
          if (!e) return;
          const from = s.queue?.from ?? s.start;
          e.style.left = late && from / d > 0.1 ? "auto" : `${(100 * end) / d}%`;
          e.style.right = late && from / d > 0.1 ? `${100 - (100 * from) / d}%` : "auto";
        }}>{micros(s.duration)}{s.queue && s.queue.to - s.queue.from > s.duration / 4 ? ` after ${micros(s.queue.to - s.queue.from)} queued` : ""}</span>
      </div>
    </div>
  );
}

function LogRow({ row, log, top, choose }: { row: Row; log: Placed; top: number; choose: (i: number) => void }) {
  const rest = Object.entries(log.line.fields).map(([k, v]) => `${k}=${typeof v === "object" ? JSON.stringify(v) : String(v)}`).join(" ");
  return (
    <div class="row logrow" ref={(e) => { if (e) e.style.top = `${top}px`; }} onClick={() => choose(row.index)}>
      <div class="label" ref={deep(row.span.depth, 32)}><span class={log.line.level}>{log.line.level}</span></div>
      <div class={`text ${log.line.level}`} title={`${log.line.message} ${rest}`}>{log.line.message} {rest}</div>
    </div>
  );
}
