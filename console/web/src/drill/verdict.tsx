import { kinds, named } from "../diagnose/words";
import { clock, millis, percent, shortOperation, signed } from "../format";
import type { BriefFinding, DrillRecord, ScenarioAnswer } from "../types";
import { counts, injected, isRight, mark } from "./words";

// Verdict compares the answer with the fault, and shows the diagnosis as proof.
export function Verdict({ entry: e, title }: { entry: DrillRecord; title: string }) {
  const r = e.round;
  const said = r.answer?.findings ?? [];
  const result = mark(r);
  const proof = e.proof?.findings[0];
  return (
    <section class={`card stage result ${!counts(r) ? "void" : isRight(r) ? "right" : ""}`} aria-label="Verdict" aria-live="polite">
      <div class="cardhead"><h2>{title}: {result.text}</h2><span class="dim">{clock(Date.parse(e.at))}</span></div>
      {result.why && <p>{result.kind === "void" ? `It does not count: ${result.why}` : result.why}</p>}
      <dl>
        <dt /><dt>you said</dt><dt>it was</dt>
        {rows(e, said).map(([name, answer, right, was]) => (
          <>
            <dt>{name}</dt><dd>{answer || "–"} {(answer || right === true) && <span class={right ? "yes" : "no"}>{right ? "✓ right" : "✗ wrong"}</span>}</dd><dd>{was || "–"}</dd>
          </>
        ))}
      </dl>
      {proof && (
        <p>
          Proof: <b>{named(proof)}</b> {shortOperation(proof.operation)} {signed(millis(proof.added_ms))}, {percent(proof.share)} of the time added to {e.proof!.entry.operation}
          {proof.exemplars?.[0] && <>; <a href={`/trace/${proof.exemplars[0]}`}>one of its traces</a></>}.
        </p>
      )}
      {r.error && r.error !== result.why && <p class="bad">{r.error}</p>}
      <Timeline entry={e} />
    </section>
  );
}

type Line = [name: string, answer: string, right: boolean, was: string];

// rows returns the parts of an answer beside those of the fault. Instance, cause and attribute
// are parts of some faults only.
function rows({ round: r }: DrillRecord, said: BriefFinding[]): Line[] {
  const was = injected(r);
  const expected = r.fault.expect ?? [];
  const all = (part: (f: BriefFinding) => string | undefined) => said.map(part).filter(Boolean).join(" and ");
  const each = (part: (a: ScenarioAnswer) => string | undefined) => expected.map(part).filter(Boolean).join(" and ");
  const out: Line[] = [
    ["hop", all((f) => f.hop), r.right_hop, was.hop],
    ["operation", all((f) => shortOperation(f.operation)), r.right_operation, shortOperation(was.operation)],
    ["kind", all((f) => kinds[f.kind] ?? f.kind), r.right_kind, was.kind],
  ];
  if (r.right_instance !== undefined) out.push(["instance", all((f) => f.instance), r.right_instance, each((a) => a.instance) || (r.fault.instance ?? "")]);
  if (r.right_cause !== undefined) out.push(["cause", all((f) => f.cause?.kind), r.right_cause, each((a) => a.causes?.join(" or "))]);
  if (r.right_attribute !== undefined) {
    const pairs = (of: Record<string, string> | undefined) => Object.entries(of ?? {}).map(([k, v]) => `${k}=${v}`).join(", ");
    out.push(["attribute", r.right_attribute ? each((a) => pairs(a.attributes)) : said.length > 0 ? "others" : "", r.right_attribute, each((a) => pairs(a.attributes))]);
  }
  return out;
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
