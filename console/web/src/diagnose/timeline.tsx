import type uPlot from "uplot";
import { upstream } from "../api";
import { seconds } from "../format";
import { colour } from "../theme";
import type { Diagnosis } from "../types";
import { Plot, axes } from "../ui/plot";
import { useLoad } from "../ui/state";
import { between, changed, entryName } from "./words";

interface Answer { data: { result: { metric: Record<string, string>; values: [number, string][] }[] } }

// Timeline shows the entry's mean over time, with the baseline and the window
// that were compared.
export function Timeline({ d }: { d: Diagnosis }) {
  const now = changed(d);
  const from = Math.min(Date.parse(d.baseline.from), Date.parse(now.from)) / 1000;
  const to = Math.max(Date.parse(now.to), Date.parse(d.baseline.to)) / 1000;
  const ok = isFinite(from) && isFinite(to) && to > from;
  const baseline = d.baseline_parts ?? [d.baseline];
  const flow = d.entry.flow === "async" ? "async" : "request";
  const expr = `entry:duration_seconds:mean15s{entry=${JSON.stringify(d.entry.operation)},flow="${flow}"}`;
  const step = Math.max(2, Math.ceil((to - from) / 400));
  const { data, loading } = useLoad(`${expr} ${from} ${to}`, (signal) =>
    ok ? upstream<Answer>("prometheus/query_range", { query: expr, start: from - 20, end: to, step }, signal) : Promise.resolve(undefined));
  const values = data?.data.result[0]?.values ?? [];
  if (!ok || !loading && values.length < 2) return null;
  const aligned: uPlot.AlignedData = [values.map((v) => v[0]), values.map((v) => Number(v[1]))];
  const shade = (u: uPlot, a: string, b: string, fill: string) => {
    const x0 = u.valToPos(Date.parse(a) / 1000, "x", true);
    const x1 = u.valToPos(Date.parse(b) / 1000, "x", true);
    u.ctx.fillStyle = fill;
    u.ctx.fillRect(x0, u.bbox.top, x1 - x0, u.bbox.height);
  };
  const options = (width: number, height: number): uPlot.Options => ({
    width, height, legend: { show: false }, cursor: { points: { size: 6 }, drag: { x: false, y: false } }, padding: [8, 26, 0, 0],
    scales: { x: { time: true }, y: { range: (_u, _min, max) => [0, Math.max(max * 1.1, 1e-4)] } },
    axes: axes(seconds),
    series: [{}, { stroke: () => colour("accent"), width: 1.6, points: { show: false } }],
    hooks: { drawClear: [(u) => { for (const r of baseline) shade(u, r.from, r.to, colour("raised")); if (d.verdict !== "none") shade(u, now.from, now.to, colour("hot-bg")); }] },
  });
  return (
    <section class="card" aria-label="Mean over time">
      <div class="cardhead"><h2>Mean of {entryName(d.entry)}</h2><ul class="legend"><li><i class="box raised" />baseline {baseline.map(between).join(", ")}</li>{d.verdict !== "none" && <li><i class="box hotbg" />now {between(now)}</li>}</ul></div>
      <div class="chartbox">{values.length > 1 && <Plot name={now.from + now.to + d.entry.operation} options={options} data={aligned} />}</div>
    </section>
  );
}
