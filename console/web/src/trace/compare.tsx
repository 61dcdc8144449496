import { get } from "../api";
import { clock, micros, percent, shortOperation, signed } from "../format";
import type { CompareRow, Side } from "../types";
import { Empty, Failure, Loading, useLoad } from "../ui/state";

// CompareView compares the time of two traces by place, or of one trace with the
// mean of usual traces of its operation.
export function CompareView({ query }: { query: URLSearchParams }) {
  const text = query.toString();
  if (!query.get("b")) return <Empty title="Nothing to compare">Choose two traces in the search, or “Compare with its usual” on a trace.</Empty>;
  return <Answer text={text} />;
}

function Answer({ text }: { text: string }) {
  const { data, error, reload } = useLoad(text, (signal) => get("GET /api/compare", new URLSearchParams(text), signal));
  if (error) return <Failure error={error} retry={reload} />;
  if (!data) return <Loading what="both sides" />;
  const delta = data.b.duration - data.a.duration;
  const most = Math.max(...data.rows.map((r) => Math.abs(r.delta)), 1);
  const longest = Math.max(...data.rows.map((r) => Math.max(r.a.time, r.b.time)), 1);
  const shown = data.rows.filter((r) => Math.abs(r.delta) >= most / 200);
  return (
    <div class="trace">
      <div class="sides">
        <SideCard side={data.a} name="A" />
        <SideCard side={data.b} name="B" />
        <div class={`card delta ${delta > 0 ? "slower" : "faster"}`}><span class="dim">B against A</span><br /><b>{signed(micros(delta))}</b><br /><span class="dim">{percent(data.a.duration ? delta / data.a.duration : 0)}</span></div>
      </div>
      <section class="card" aria-label="Time by place">
        <div class="cardhead"><h2>Time by hop</h2><span class="dim">sums over all calls; where calls ran side by side they exceed the duration</span></div>
        <table class="comparison">
          <thead><tr><th>where</th><th>kind</th><th class="num">A</th><th class="num">B</th><th /><th class="num">B − A</th><th>faster · slower</th><th class="num">calls</th></tr></thead>
          <tbody>{shown.map((r) => <Line key={`${r.service}\u0000${r.operation}\u0000${r.kind}\u0000${r.target}`} r={r} most={most} longest={longest} />)}</tbody>
        </table>
        {shown.length < data.rows.length && <p class="hint">{data.rows.length - shown.length} more places differ by less than {micros(most / 200)}.</p>}
      </section>
    </div>
  );
}

function SideCard({ side, name }: { side: Side; name: string }) {
  return (
    <div class="card">
      <span class="dim">{name} · {side.trace_id ? <a href={`/trace/${side.trace_id}`} class="mono">{side.trace_id.slice(0, 16)}</a> : `mean of ${side.traces} usual traces`}</span><br />
      <b>{micros(side.duration)}</b><br />
      <span>{side.service} {shortOperation(side.operation)}{side.start ? <span class="dim"> · {clock(side.start / 1000, true)}</span> : null}</span>
    </div>
  );
}

function Line({ r, most, longest }: { r: CompareRow; most: number; longest: number }) {
  const width = (v: number) => (e: HTMLElement | null) => { if (e) e.style.width = `${100 * v}%`; };
  const n = (v: number) => (Number.isInteger(v) ? String(v) : v.toFixed(1));
  return (
    <tr class={r.kind}>
      <td><b>{r.service}</b>{r.kind !== "self" && r.target ? ` → ${r.target}` : ""} <span class="dim">{shortOperation(r.operation)}</span></td>
      <td><span class={`kind ${r.kind}`}>{r.kind === "self" ? "self time" : r.kind}</span></td>
      <td class="num">{r.a.count ? micros(r.a.time) : "–"}</td>
      <td class="num">{r.b.count ? micros(r.b.time) : "–"}</td>
      <td class="bars"><div class="pairbars"><i ref={width(r.a.time / longest)} /><i class="b" ref={width(r.b.time / longest)} /></div></td>
      <td class="num">{signed(micros(r.delta))}</td>
      <td><div class="diverge"><i class={r.delta > 0 ? "slower" : "faster"} ref={width(Math.abs(r.delta) / most / 2)} /></div></td>
      <td class="num dim">{n(r.a.count)}{r.a.count !== r.b.count ? ` → ${n(r.b.count)}` : ""}</td>
    </tr>
  );
}
