import { upstream } from "../api";
import type { Panel, Target } from "./model";
import { sourceOf } from "./model";
import { stepFor, type Times } from "./time";
import { interpolate, type Values } from "./vars";
import type { Variable } from "./model";

export interface Context { variables: Variable[]; values: Values; times: Times }
export interface Series { name: string; refId: string; labels: Record<string, string>; values: (number | null)[] }
export interface Exemplar { at: number; value: number; trace: string; labels: Record<string, string> }
export interface Frame { at: number[]; series: Series[]; exemplars: Exemplar[] }
export interface Row { labels: Record<string, string>; refId: string; value: number }

type Metric = Record<string, string>;
interface Matrix { data: { result: { metric: Metric; values: [number, string][] }[] } }
interface Vector { data: { result: { metric: Metric; value: [number, string] }[] } }
interface Exemplars { data: { seriesLabels: Metric; exemplars: { labels: Metric; value: string; timestamp: number }[] }[] | null }

export function legend(t: Target, labels: Metric): string {
  if (t.legendFormat && t.legendFormat !== "__auto") {
    return t.legendFormat.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, l: string) => labels[l] ?? "").replace(/\s+/g, " ").trim();
  }
  const own = Object.entries(labels).filter(([k]) => k !== "__name__").map(([k, v]) => `${k}="${v}"`).join(", ");
  return own ? `${labels["__name__"] ?? ""}{${own}}` : labels["__name__"] ?? "value";
}

const shownExemplars = 50;

// range runs the panel's range queries on one grid of times.
export async function range(p: Panel, c: Context, signal: AbortSignal): Promise<Frame> {
  const step = stepFor(c.times);
  const from = Math.floor(c.times.from / step) * step;
  const to = Math.floor(c.times.to / step) * step;
  const at: number[] = [];
  for (let t = from; t <= to; t += step) at.push(t);
  const targets = (p.targets ?? []).filter((t) => !t.hide && t.expr && sourceOf(t, p) === "prometheus");
  const answers = await Promise.all(targets.map(async (t) => {
    const query = interpolate(t.expr!, c.variables, c.values, c.times, step);
    const [m, e] = await Promise.all([
      upstream<Matrix>("prometheus/query_range", { query, start: from, end: to, step }, signal),
      t.exemplar ? upstream<Exemplars>("prometheus/query_exemplars", { query, start: from, end: to }, signal).catch(() => undefined) : undefined,
    ]);
    const series = m.data.result.map(({ metric, values }): Series => {
      const line: (number | null)[] = new Array<number | null>(at.length).fill(null);
      for (const [time, v] of values) {
        const n = Number(v);
        const i = Math.round((time - from) / step);
        if (i >= 0 && i < line.length && isFinite(n)) line[i] = n;
      }
      return { name: legend(t, metric), refId: t.refId ?? "", labels: metric, values: line };
    });
    const exemplars = (e?.data ?? []).flatMap((s) => s.exemplars.map((x): Exemplar => ({
      at: x.timestamp, value: Number(x.value), trace: x.labels["trace_id"] ?? x.labels["traceID"] ?? "", labels: s.seriesLabels,
    }))).filter((x) => x.trace && isFinite(x.value));
    return { series, exemplars };
  }));
  const exemplars = answers.flatMap((a) => a.exemplars);
  return { at, series: answers.flatMap((a) => a.series), exemplars: thin(exemplars) };
}

// thin limits exemplars: half are the slowest, half are spread evenly over time.
function thin(all: Exemplar[]): Exemplar[] {
  if (all.length <= shownExemplars) return all;
  const sorted = [...all].sort((a, b) => b.value - a.value);
  const slow = sorted.slice(0, shownExemplars / 2);
  const rest = sorted.slice(shownExemplars / 2).sort((a, b) => a.at - b.at);
  const every = Math.ceil(rest.length / (shownExemplars / 2));
  return [...slow, ...rest.filter((_, i) => i % every === 0)];
}

// instant runs the panel's instant queries.
export async function instant(p: Panel, c: Context, signal: AbortSignal): Promise<Row[]> {
  const step = stepFor(c.times);
  const targets = (p.targets ?? []).filter((t) => !t.hide && t.expr && sourceOf(t, p) === "prometheus");
  const answers = await Promise.all(targets.map(async (t) => {
    const query = interpolate(t.expr!, c.variables, c.values, c.times, step);
    const v = await upstream<Vector>("prometheus/query", { query, time: c.times.to }, signal);
    return v.data.result.map(({ metric, value }): Row => ({ labels: metric, refId: t.refId ?? "", value: Number(value[1]) }));
  }));
  return answers.flat();
}
