import { kinds, named } from "../diagnose/words";
import { clock, millis, percent, shortOperation, signed } from "../format";
import type { DrillRecord } from "../types";

// Verdict compares the answer with the fault, and shows the diagnosis as proof.
export function Verdict({ entry: e, title }: { entry: DrillRecord; title: string }) {
  const r = e.round;
  const said = r.answer?.findings[0];
  const right = r.right_hop && r.right_operation && r.right_kind;
  const proof = e.proof?.findings[0];
  const mark = (ok: boolean) => <span class={ok ? "yes" : "no"}>{ok ? "✓ right" : "✗ wrong"}</span>;
  return (
    <section class={`card stage result ${right ? "right" : ""}`} aria-label="Verdict" aria-live="polite">
      <div class="cardhead"><h2>{title}: {right ? "right" : said ? "not quite" : "no answer"}</h2><span class="dim">{clock(Date.parse(e.at))}</span></div>
      <dl>
        <dt /><dt>you said</dt><dt>it was</dt>
        <dt>hop</dt><dd>{said ? <>{said.hop} {mark(r.right_hop)}</> : "–"}</dd><dd>{r.fault.hop}</dd>
        <dt>operation</dt><dd>{said ? <>{shortOperation(said.operation)} {mark(r.right_operation)}</> : "–"}</dd><dd>{shortOperation(r.fault.operation)}</dd>
        <dt>kind</dt><dd>{said ? <>{kinds[said.kind] ?? said.kind} {mark(r.right_kind)}</> : "–"}</dd><dd>{r.fault.kind}{r.fault.latency ? ` +${r.fault.latency}` : ""}</dd>
      </dl>
      {proof && (
        <p>
          Proof: <b>{named(proof)}</b> {shortOperation(proof.operation)} {signed(millis(proof.added_ms))}, {percent(proof.share)} of the time added to {e.proof!.entry.operation}
          {proof.exemplars?.[0] && <>; <a href={`/trace/${proof.exemplars[0]}`}>one of its traces</a></>}.
        </p>
      )}
      {r.error && <p class="bad">{r.error}</p>}
      <Timeline entry={e} />
    </section>
  );
}

function Timeline({ entry }: { entry: DrillRecord }) {
  const s = entry.round.seconds;
  const recovered = s.lifted !== null && s.recovered !== null ? s.lifted + s.recovered : null;
  const all: [string, string, number | null][] = [["injected", "injected", 0], ["moved", "entry slower", s.moved], ["alerted", "first alert", s.alerted], ["answered", "answered", s.answered], ["recovered", "recovered", recovered]];
  const points = all.filter((p): p is [string, string, number] => p[2] !== null).sort((a, b) => a[2] - b[2]);
  const end = Math.max(...points.map((p) => p[2]), 1);
  // Labels that would overlap are moved apart.
  let least = 0;
  return (
    <ol class="timeline" aria-label="Seconds since the injection">
      {points.map(([key, label, t]) => {
        const x = Math.min(97, Math.max(3, least, 3 + (94 * t) / end));
        least = x + 11;
        return <li key={key} class={key} ref={(e) => { if (e) e.style.left = `${x}%`; }}>{label}<br /><b>{t.toFixed(1)} s</b></li>;
      })}
    </ol>
  );
}
