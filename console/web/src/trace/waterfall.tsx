import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { micros, shortOperation } from "../format";
import type { Trace } from "../types";
import { isCall, matches, press, visible, words, type Placed, type Row } from "./rows";

const rowHeight = 26;
const spare = 12; // rows drawn beyond each edge, for fast scrolling

interface Props {
  trace: Trace; logs: Map<number, Placed[]>; withLogs: boolean; filter: string; chosen: number; choose: (index: number) => void;
}

// Waterfall draws the rows in view only: a trace may have thousands of spans. It is a tree with
// one active row, which keys move. While details are shown, they are those of the active row.
export function Waterfall({ trace, logs, withLogs, filter, chosen, choose }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [folded, setFolded] = useState<Set<number>>(new Set());
  const [active, setActive] = useState(String(Math.max(0, chosen)));
  const rows = useMemo(() => visible(trace, folded, logs, withLogs), [trace, folded, logs, withLogs]);
  const find = (id: string) => rows.findIndex((r) => r.id === id);
  const at = Math.max(0, find(active), find(active.replace(/-.*/, ""))); // of a log line that is no longer shown, its span
  const reveal = (row: number) => {
    const el = box.current;
    if (!el) return;
    if (row * rowHeight < el.scrollTop) el.scrollTop = row * rowHeight;
    if ((row + 1) * rowHeight > el.scrollTop + el.clientHeight) el.scrollTop = (row + 1) * rowHeight - el.clientHeight;
  };
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const seen = new ResizeObserver(() => setView((v) => ({ ...v, height: el.clientHeight })));
    seen.observe(el);
    if (chosen >= 0) reveal(at);
    return () => seen.disconnect();
  }, []);
  const fold = (row: Row, open: boolean) => {
    const next = new Set(folded);
    if (open) next.delete(row.index);
    else next.add(row.index);
    setFolded(next);
    const from = rows.indexOf(row);
    const end = rows.findIndex((r, i) => i > from && r.level <= row.level);
    if (!open && at > from && (end < 0 || at < end)) setActive(row.id);
  };
  const show = (row: Row) => {
    setActive(row.id);
    choose(row.index);
  };
  const keys = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const what = press(rows, at, e.key, Math.max(1, Math.floor(view.height / rowHeight) - 1));
    const row = rows[at];
    if (!what || !row) return;
    e.preventDefault();
    if ("open" in what) fold(row, what.open);
    else if ("details" in what) choose(what.details ? row.index : -1);
    else {
      reveal(what.to);
      if (chosen >= 0) show(rows[what.to]!);
      else setActive(rows[what.to]!.id);
    }
  };
  // A click that gives the focus must hit the row at which it was aimed.
  const focused = (e: FocusEvent) => {
    if ((e.currentTarget as HTMLElement).matches(":focus-visible")) reveal(at);
  };
  const first = Math.max(0, Math.floor(view.top / rowHeight) - spare);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + spare);
  const drawn = rows.slice(first, last).map((r, i) => ({ r, n: first + i }));
  if (rows[at] && (at < first || at >= last)) drawn.push({ r: rows[at], n: at });
  return (
    <div class="fall">
      <Ruler duration={trace.duration} />
      <div class="rows" role="tree" aria-label="Spans" tabIndex={0} onKeyDown={keys} onFocus={focused} ref={box}
        aria-activedescendant={rows[at] && `span-${rows[at].id}`} onScroll={(e) => { const top = e.currentTarget.scrollTop; setView((v) => ({ ...v, top })); }}>
        <div class="space" role="none" ref={(e) => { if (e) e.style.height = `${rows.length * rowHeight}px`; }} />
        {drawn.map(({ r, n }) => {
          const dim = filter !== "" && !matches(r.span, filter);
          return r.log
            ? <LogRow key={r.id} row={r} log={r.log} top={n * rowHeight} active={n === at} show={show} />
            : <SpanRow key={r.id} row={r} top={n * rowHeight} duration={trace.duration} logs={logs.get(r.index) ?? []} fold={fold} dim={dim}
                active={n === at} chosen={r.index === chosen} show={show} />;
        })}
      </div>
    </div>
  );
}

function Ruler({ duration }: { duration: number }) {
  return (
    <div class="ruler" aria-hidden="true">
      <span />
      <div class="ticks">{[0, 0.25, 0.5, 0.75, 1].map((f) => <span key={f} ref={(e) => { if (e) e.style.left = `${100 * f}%`; }}>{micros(f * duration)}</span>)}</div>
    </div>
  );
}

interface SpanProps {
  row: Row; top: number; duration: number; logs: Placed[]; fold: (row: Row, open: boolean) => void; dim: boolean;
  active: boolean; chosen: boolean; show: (row: Row) => void;
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

// inTree returns the attributes that a row has as an item of the tree, whose name is its text.
// All rows are siblings in the document.
const inTree = (row: Row) => ({
  id: `span-${row.id}`, role: "treeitem", "aria-level": row.level, "aria-posinset": row.position, "aria-setsize": row.siblings, "aria-expanded": row.open,
} as const);

function SpanRow({ row, top, duration, logs, fold, dim, active, chosen, show }: SpanProps) {
  const s = row.span;
  const d = Math.max(1, duration);
  const call = isCall(s);
  const end = s.start + s.duration;
  const leaf = call && row.below === 0;
  const late = end / d > 0.86; // no room after the bar
  const before = (s.queue?.from ?? s.start) / d; // room before it
  return (
    <div {...inTree(row)} class={`row ${s.failed ? "failed" : ""} ${active ? "active" : ""} ${chosen ? "on" : ""} ${dim ? "miss" : ""}`}
      aria-selected={chosen} ref={(e) => { if (e) e.style.top = `${top}px`; }} onClick={() => show(row)}>
      <div class="label" ref={deep(s.depth)} title={`${s.service} · ${s.operation}`}>
        {row.open === undefined ? <span class="toggle" />
          : <button class="toggle" tabIndex={-1} aria-hidden="true" onClick={(e) => { e.stopPropagation(); fold(row, !row.open); }}>{row.open ? "▾" : "▸"}</button>}
        {call ? <i class="arrow" aria-hidden="true">→</i> : <b>{s.service}</b>}{" "}
        <span>{call && s.peer ? `${s.peer} ` : ""}{shortOperation(s.operation)}</span>{" "}
        {(s.kind === "consumer" || s.kind === "producer") && <i class={`k ${s.kind}`}>{s.kind}</i>}
        {row.open === false && row.below > 0 && <i class="k" aria-hidden="true">+{row.below}</i>}
        <span class="sr">, {words(row, logs.length)}</span>
      </div>
      <div class="lane" aria-hidden="true">
        {s.queue && <i class="queue" ref={at(s.queue.from, s.queue.to, d)} title={`${micros(s.queue.to - s.queue.from)} in the ${s.queue.kind}`} />}
        <i class={call ? `call ${leaf ? "leaf" : ""}` : "wait"} ref={at(s.start, end, d)} />
        {!leaf && s.busy.map(([a, b]) => <i key={a} class={`busy ${call ? "gap" : ""}`} ref={at(a, b, d)} />)}
        {s.critical?.map(([a, b]) => <i key={a} class="crit" ref={at(a, b, d)} />)}
        {logs.map((l, i) => <i key={i} class={`log ${l.line.level}`} ref={(e) => { if (e) e.style.left = `${(100 * l.at) / d}%`; }} title={`${l.line.level}: ${l.line.message}`} />)}
        <span class={`time ${late && before <= 0.1 ? "in" : ""}`} ref={(e) => {
          if (!e) return;
          e.style.left = late ? "auto" : `${(100 * end) / d}%`;
          e.style.right = !late ? "auto" : before > 0.1 ? `${100 - 100 * before}%` : "0";
        }}>{micros(s.duration)}{s.queue && s.queue.to - s.queue.from > s.duration / 4 ? ` after ${micros(s.queue.to - s.queue.from)} queued` : ""}</span>
      </div>
    </div>
  );
}

function LogRow({ row, log, top, active, show }: { row: Row; log: Placed; top: number; active: boolean; show: (row: Row) => void }) {
  const rest = Object.entries(log.line.fields).map(([k, v]) => `${k}=${typeof v === "object" ? JSON.stringify(v) : String(v)}`).join(" ");
  return (
    <div {...inTree(row)} class={`row logrow ${active ? "active" : ""}`} aria-selected={false} ref={(e) => { if (e) e.style.top = `${top}px`; }} onClick={() => show(row)}>
      <div class="label" ref={deep(row.span.depth, 32)}><span class={log.line.level}>{log.line.level}</span>{" "}</div>
      <div class={`text ${log.line.level}`} title={`${log.line.message} ${rest}`}>{log.line.message} {rest}</div>
    </div>
  );
}
