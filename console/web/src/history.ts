import type { Snapshot } from "./types";

// History holds the recent mean self times of each hop, oldest first, one per
// interval of seconds.
export type History = Map<string, number[]>;

export const interval = 2; // seconds, as of the event stream
const kept = 90; // values: three minutes

// remember appends a snapshot.
export function remember(history: History, s: Snapshot): void {
  for (const h of s.hops) history.set(h.name, [...(history.get(h.name) ?? []), h.self ?? 0].slice(-kept));
}

export interface Matrix { data: { result: { metric: Record<string, string>; values: [number, string][] }[] } }

// past returns the query for what a history holds at a moment, in seconds since
// 1970. Rates are taken over at least four scrapes. services names the labels that
// Prometheus has for service_name, the first one first.
export function past(now: number, scrape: number, services: string[] = []): { query: string; start: number; end: number; step: number } {
  const over = `[${Math.max(30, Math.ceil(4 * scrape))}s]`;
  const rate = (name: string) => [...services].reverse().reduce(
    (series, label) => `label_replace(${series}, "service_name", "$1", ${JSON.stringify(label)}, "(?:.*/)?([^/]+)")`, `rate(${name}${over})`);
  const query = `sum by (service_name) (${rate("hop_self_duration_seconds_sum")}) / (sum by (service_name) (${rate("hop_duration_seconds_count")}) > 0)`;
  return { query, start: now - (kept - 1) * interval, end: now, step: interval };
}

// fill replaces a history by the answer to the query of past.
export function fill(history: History, q: { start: number; end: number }, answer: Matrix): void {
  for (const { metric, values } of answer.data.result) {
    const line = new Array<number>(Math.round((q.end - q.start) / interval) + 1).fill(0);
    for (const [at, v] of values) {
      const i = Math.round((at - q.start) / interval);
      if (i >= 0 && i < line.length && isFinite(Number(v))) line[i] = Number(v);
    }
    history.set(metric["service_name"] ?? "", line);
  }
}
