import { millis, percent, shortOperation, signed } from "../format";
import type { Diagnosis, Finding } from "../types";

// named is a finding in words, as `tenhop diagnose` puts it.
export function named(f: Finding): string {
  switch (f.kind) {
    case "dependency": return `${f.hop} waits for ${f.target ?? "a dependency"}`;
    case "link": return `the link ${f.target ?? "?"} – ${f.hop}`;
    case "queue": return `records wait for ${f.hop}`;
    case "mix": return `other requests than before (${f.target ?? "?"})`;
    case "calls": return `more calls between ${f.target ?? "?"} and ${f.hop}`;
    case "errors": return f.target ? `${f.hop} – ${f.target}` : f.hop;
    default: return f.hop;
  }
}

export const kinds: Record<string, string> = { self: "self time", dependency: "dependency", link: "link", queue: "queue", errors: "errors", calls: "more calls", mix: "mix" };

export function Findings({ d }: { d: Diagnosis }) {
  const longest = Math.max(...d.findings.map((f) => Math.max(f.now_ms, f.baseline_ms)), 1e-9);
  return (
    <section class="card" aria-label="Findings">
      <div class="cardhead"><h2>Findings</h2><span class="dim">{d.verdict === "errors" ? "share of its requests that fail" : "mean time of one request, fan-out included"}</span></div>
      <table class="findings">
        <thead><tr><th /><th>where</th><th>kind</th><th>before, now</th><th class="num">added</th><th>share, 90 % interval</th><th>slow requests have</th><th>see one</th></tr></thead>
        <tbody>{d.findings.map((f) => <Row key={f.rank} f={f} longest={longest} first={f.rank === 1 && d.verdict !== "none"} />)}</tbody>
      </table>
    </section>
  );
}

function Row({ f, longest, first }: { f: Finding; longest: number; first: boolean }) {
  const width = (v: number) => (e: HTMLElement | null) => { if (e) e.style.width = `${Math.max(0, Math.min(100, 100 * v))}%`; };
  const [low, high] = f.interval;
  return (
    <tr class={first ? "first" : ""}>
      <td class="rank">{f.rank}</td>
      <td>
        <div class="who">{named(f)}</div>
        <div class="what" title={f.operation}>{shortOperation(f.operation)}</div>
        {(f.operations ?? []).map((o) => <div class="what" key={o.operation}>{shortOperation(o.operation)} {signed(millis(o.added_ms))}</div>)}
      </td>
      <td><span class={`kind ${f.kind}`}>{kinds[f.kind] ?? f.kind}</span></td>
      {f.errors
        ? <td><div class="pair"><i ref={width(f.errors.baseline)} /><i class="now" ref={width(f.errors.now)} /><span>{percent(f.errors.baseline)} → {percent(f.errors.now)}</span></div></td>
        : <td><div class="pair"><i ref={width(f.baseline_ms / longest)} /><i class="now" ref={width(f.now_ms / longest)} /><span>{millis(f.baseline_ms)} → {millis(f.now_ms)}</span></div></td>}
      <td class="num added">{f.errors ? f.errors.type ?? "" : signed(millis(f.added_ms))}</td>
      <td class="share">
        {percent(f.share)} <span class="dim">{percent(low)} – {percent(high)}</span>
        <div class="track"><div class="fill" ref={width(f.share)} /><div class="range" ref={(e) => { if (e) { e.style.left = `${Math.max(0, Math.min(100, 100 * low))}%`; e.style.width = `${100 * (Math.min(1, high) - Math.max(0, Math.min(1, low)))}%`; } }} /></div>
      </td>
      <td><div class="chips">{(f.attributes ?? []).map((a) => <span class="chip" key={a.key + a.value} title={`${a.lift.toFixed(1)} times as often as other requests`}>{a.key}=<b>{a.value}</b> {a.lift.toFixed(1)}×</span>)}</div></td>
      <td><div class="chips">{(f.exemplars ?? []).slice(0, 3).map((id) => <a class="chip mono exemplar-link" key={id} href={`/trace/${id}`}>{id.slice(0, 8)}</a>)}</div></td>
    </tr>
  );
}
