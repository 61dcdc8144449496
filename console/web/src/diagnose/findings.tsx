import { millis, percent, shortOperation, signed } from "../format";
import type { Diagnosis, Finding, ProfiledFunction, Quote } from "../types";
import { facts, kinds, named, sources, spent, timed } from "./words";

// Findings lists the suspects, each with the evidence for it.
export function Findings({ d }: { d: Diagnosis }) {
  const longest = Math.max(...d.findings.map((f) => Math.max(f.now_ms, f.baseline_ms)), 1e-9);
  return (
    <section class="card" aria-label="Findings">
      <div class="cardhead"><h2>Findings</h2><span class="dim">{d.verdict === "errors" ? "ratio of its requests that fail" : `${d.statistic} time of one request, fan-out included`}</span></div>
      <table class="findings stacked">
        <thead><tr><th /><th>where</th><th>kind</th><th>before, now</th><th class="num">added</th><th>share, 90 % interval</th><th>attributes, lift</th><th>traces</th></tr></thead>
        {d.findings.map((f) => <Rows key={f.rank} f={f} longest={longest} first={f.rank === 1 && d.verdict !== "none"} />)}
      </table>
    </section>
  );
}

// Pair draws a bar for before and one for now, as shares of the longest bar.
export function Pair({ before, now, text }: { before: number; now: number; text: string }) {
  return <div class="pair"><i ref={width(before)} /><i class="now" ref={width(now)} /><span>{text}</span></div>;
}

const width = (v: number) => (e: HTMLElement | null) => { if (e) e.style.width = `${Math.max(0, Math.min(100, 100 * v))}%`; };

function Rows({ f, longest, first }: { f: Finding; longest: number; first: boolean }) {
  const [low, high] = f.interval;
  const more = facts(f);
  const profile = f.profile ?? [];
  const quotes = f.quotes ?? [];
  const which = f.errors ? "failed" : "slow";
  return (
    <tbody class={first ? "first" : ""}>
      <tr>
        <td class="rank">{f.rank}</td>
        <td><div class="who">{named(f)}</div>{f.operation && <div class="what" title={f.operation}>{shortOperation(f.operation)}</div>}</td>
        <td><span class={`kind ${f.kind}`}>{kinds[f.kind] ?? f.kind}</span></td>
        <td>
          {f.errors ? <Pair before={f.errors.baseline} now={f.errors.now} text={`${percent(f.errors.baseline)} → ${percent(f.errors.now)}`} />
            : timed(f) && <Pair before={f.baseline_ms / longest} now={f.now_ms / longest} text={`${millis(f.baseline_ms)} → ${millis(f.now_ms)}`} />}
        </td>
        <td class="num added">{f.errors ? f.errors.type ?? "" : timed(f) && signed(millis(f.added_ms))}</td>
        <td class="share">
          {(timed(f) || f.errors) && (
            <>
              {percent(f.share)} <span class="dim">{percent(low)} – {percent(high)}</span>
              <div class="track"><div class="fill" ref={width(f.share)} /><div class="range" ref={(e) => { if (e) { e.style.left = `${Math.max(0, Math.min(100, 100 * low))}%`; e.style.width = `${100 * (Math.min(1, high) - Math.max(0, Math.min(1, low)))}%`; } }} /></div>
            </>
          )}
        </td>
        <td><div class="chips">{f.attributes.map((a) => <span class="chip" key={a.key + a.value} title={`${which} requests have it ${a.lift.toFixed(1)} times as often as the others`}>{a.key}=<b>{a.value}</b> {a.lift.toFixed(1)}×</span>)}</div></td>
        <td><div class="chips">{f.exemplars.map((id) => <a class="chip mono exemplar-link" key={id} href={`/trace/${id}`}>{id.slice(0, 8)}</a>)}</div></td>
      </tr>
      {more.length + profile.length + quotes.length > 0 && (
        <tr class="more"><td /><td colSpan={7}>
          <ul>{more.map((text) => <li key={text}>{text}</li>)}{quotes.map((q) => <Quoted key={q.source + q.text} q={q} />)}{profile.map((p) => <Profiled key={p.type + p.function} p={p} />)}</ul>
        </td></tr>
      )}
    </tbody>
  );
}

// Quoted is a text that spans of the hop have when requests are slow or fail.
function Quoted({ q }: { q: Quote }) {
  return <li class="quote">{sources[q.source] ?? q.source}: <q>{q.text}</q> <a class="chip mono exemplar-link" href={`/trace/${encodeURIComponent(q.trace_id)}`}>{q.trace_id.slice(0, 8)}</a></li>;
}

// Profiled is a function that the hop spends more time in, per second.
function Profiled({ p }: { p: ProfiledFunction }) {
  return <li>{spent[p.type] ?? p.type} <code>{p.function}</code> {p.compared ? `${millis(p.before_ms_per_s)}/s → ` : ""}<b>{millis(p.now_ms_per_s)}/s</b>{p.compared ? "" : ", no profile before"}</li>;
}
