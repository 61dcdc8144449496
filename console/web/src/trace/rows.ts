import { micros, shortOperation } from "../format";
import type { LogLine, Span, Trace } from "../types";

// Row is a row of the waterfall: a span, or a log line below its span. Its level and its
// position among its siblings begin with 1.
export interface Row {
  id: string; span: Span; index: number; log?: Placed; level: number; position: number; siblings: number;
  open?: boolean; // without a value, nothing is below it
  below: number; // number of spans below it, folded or not
}

// Placed is a log line with its time in microseconds since the trace's start.
export interface Placed { line: LogLine; at: number }

const second = 1_000_000;

// place assigns log lines to spans. A line with a time in whole seconds is placed
// at the end of its span, where services write it.
export function place(trace: Trace, lines: LogLine[]): Map<number, Placed[]> {
  const byId = new Map(trace.spans.map((s, i) => [s.id, i]));
  const out = new Map<number, Placed[]>();
  for (const line of lines) {
    const index = byId.get(line.span_id ?? "") ?? trace.spans.findIndex((s) => s.service === line.service && s.kind !== "client");
    const span = trace.spans[index < 0 ? 0 : index];
    if (!span) continue;
    const end = span.start + span.duration;
    const exact = line.at % second !== 0;
    const at = exact ? Math.max(span.start, Math.min(end, line.at - trace.start)) : end;
    const key = index < 0 ? 0 : index;
    out.set(key, [...(out.get(key) ?? []), { line, at }]);
  }
  return out;
}

// visible returns the rows that are not within a folded span.
export function visible(trace: Trace, folded: Set<number>, logs: Map<number, Placed[]>, withLogs: boolean): Row[] {
  const rows: Row[] = [];
  const size = sizes(trace);
  const lines = trace.spans.map((_, i) => (withLogs ? logs.get(i) ?? [] : []));
  const below = lines.map((l) => l.length); // children of each span: its log lines, then its spans
  let roots = 0;
  const position = trace.spans.map((s) => (s.parent < 0 ? ++roots : ++below[s.parent]!));
  for (let i = 0; i < trace.spans.length; i++) {
    const span = trace.spans[i]!;
    const fold = folded.has(i);
    const level = span.depth + 1;
    rows.push({ id: String(i), span, index: i, level, position: position[i]!, siblings: span.parent < 0 ? roots : below[span.parent]!,
      below: size[i]! - 1, ...(below[i]! > 0 ? { open: !fold } : {}) });
    if (fold) i += size[i]! - 1;
    else lines[i]!.forEach((log, n) => rows.push({ id: `${i}-${n}`, span, index: i, log, level: level + 1, position: n + 1, siblings: below[i]!, below: 0 }));
  }
  return rows;
}

// sizes returns the number of spans in each span's subtree. Parents come before children.
export function sizes(trace: Trace): number[] {
  const size = trace.spans.map(() => 1);
  for (let i = trace.spans.length - 1; i > 0; i--) {
    const p = trace.spans[i]!.parent;
    if (p >= 0) size[p]! += size[i]!;
  }
  return size;
}

export function matches(span: Span, text: string): boolean {
  const t = text.toLowerCase();
  return span.service.toLowerCase().includes(t) || span.operation.toLowerCase().includes(t)
    || span.tags.some(([k, v]) => `${k}=${v}`.toLowerCase().includes(t));
}

export const isCall = (s: Span): boolean => s.kind === "client" || s.kind === "producer";

// label is what a row shows: the service and operation, or those that a call is for.
export function label(r: Row): string {
  if (r.log) return `${r.log.line.level} ${r.log.line.message}`;
  return `${isCall(r.span) ? r.span.peer ?? "" : r.span.service} ${shortOperation(r.span.operation)}`.trim();
}

// words says what the bars of a row show.
export function words(r: Row, lines: number): string {
  const s = r.span;
  const call = isCall(s);
  return [
    call ? `called by ${s.service}` : "",
    micros(s.duration),
    call ? "" : `self time ${micros(s.self)}`,
    s.queue ? `after ${micros(s.queue.to - s.queue.from)} in the ${s.queue.kind}` : "",
    s.failed ? "failed" : "",
    r.open === false && r.below > 0 ? `${r.below} ${r.below === 1 ? "span" : "spans"} folded` : "",
    lines > 0 ? `${lines} log ${lines === 1 ? "line" : "lines"}` : "",
  ].filter((t) => t !== "").join(", ");
}

// Press is what a key does: it moves to a row, opens or folds the row, or shows or hides its
// details.
export type Press = { to: number } | { open: boolean } | { details: boolean };

// press returns what a key does in a row, as in the tree view of WAI-ARIA. A page has a number
// of rows.
export function press(rows: Row[], at: number, key: string, page: number): Press | undefined {
  const row = rows[at];
  if (!row) return undefined;
  const last = rows.length - 1;
  switch (key) {
    case "ArrowDown": return { to: Math.min(last, at + 1) };
    case "ArrowUp": return { to: Math.max(0, at - 1) };
    case "PageDown": return { to: Math.min(last, at + page) };
    case "PageUp": return { to: Math.max(0, at - page) };
    case "Home": return { to: 0 };
    case "End": return { to: last };
    case "ArrowRight": return row.open === undefined ? { to: at } : row.open ? { to: at + 1 } : { open: true };
    case "ArrowLeft": return row.open ? { open: false } : { to: Math.max(0, rows.findLastIndex((r, i) => i < at && r.level < row.level)) };
    case "Enter": case " ": return { details: true };
    case "Escape": return { details: false };
  }
  if (!/^[\p{L}\p{N}]$/u.test(key)) return undefined;
  const starts = (r: Row) => label(r).toLowerCase().startsWith(key.toLowerCase());
  const next = rows.findIndex((r, i) => i > at && starts(r));
  const to = next < 0 ? rows.findIndex(starts) : next;
  return { to: to < 0 ? at : to };
}
