import { withQuery, type Query } from "../api";
import { traffic } from "../incident/words";
import type { Diagnosis } from "../types";
import { answered, changed, deployed, failure, grounded, notes, raised } from "./words";

// Notices lists what changed, failed sources and notes.
export function Notices({ d }: { d: Diagnosis }) {
  const hop = d.findings[0]?.hop;
  const deploys = d.deploys ?? [];
  const flow = raised(d) ? traffic(d) : "";
  if (deploys.length === 0 && !flow && doubts(d) === 0) return null;
  return (
    <ul class="notices">
      {deploys.map((x) => <li key={x.service + x.version} class={x.service === hop ? "deploy hot" : "deploy"}><b>{x.service}</b> {deployed(x, d.verdict === "none" ? undefined : changed(d))}</li>)}
      {flow && <li>{flow}</li>}
      <Doubts d={d} />
    </ul>
  );
}

const doubts = (d: Diagnosis): number => notes(d).length + d.sources.filter((s) => !s.ok || s.note).length;

// Doubts lists what limits a diagnosis: failed sources, notes of sources and of the diagnosis.
export function Doubts({ d }: { d: Diagnosis }) {
  return (
    <>
      {notes(d).map((text) => <li key={text}>{text}</li>)}
      {d.sources.filter((s) => !s.ok).map((s) => <li key={s.name} class="bad"><b>{s.name}</b> {failure(s)}</li>)}
      {d.sources.filter((s) => s.note).map((s) => <li key={`${s.name} note`}><b>{s.name}</b>: {s.note}</li>)}
    </>
  );
}

// Sources shows what was read and how long it took. asked holds the parameters of
// the diagnosis.
export function Sources({ d, asked }: { d: Diagnosis; asked: Query }) {
  return (
    <div class="sources">
      {d.sources.map((s) => <span key={s.name} class={s.ok ? "" : "bad"} title={s.url}>{s.ok ? answered(s) : `${s.name}: failed after ${s.took_ms.toFixed(0)} ms`}</span>)}
      {grounded(d) && <span>{grounded(d)}</span>}
      {(d.stages ?? []).length > 0 && <span title="Stages of the diagnosis">{d.stages!.map((s) => `${s.name} ${s.took_ms.toFixed(0)} ms`).join(", ")}</span>}
      <a href={withQuery("/api/diagnose", asked)} target="_blank" rel="noreferrer">as JSON</a>
    </div>
  );
}
