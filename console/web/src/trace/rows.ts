import type { LogLine, Span, Trace } from "../types";

// Row is a row of the waterfall: a span, or a log line below its span.
export interface Row { span: Span; index: number; log?: Placed; hidden: number }

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
  for (let i = 0; i < trace.spans.length; i++) {
    const span = trace.spans[i]!;
    const below = size[i]! - 1;
    const fold = folded.has(i);
    rows.push({ span, index: i, hidden: fold ? below : 0 });
    if (withLogs) for (const log of logs.get(i) ?? []) rows.push({ span, index: i, log, hidden: 0 });
    if (fold) i += below;
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
