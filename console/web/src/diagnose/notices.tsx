import { withQuery, type Query } from "../api";
import type { Diagnosis } from "../types";
import { answered, deployed } from "./words";

// Notices lists deployments, failed sources and notes of sources.
export function Notices({ d }: { d: Diagnosis }) {
  const change = d.verdict === "none" ? undefined : d.window;
  const hop = d.findings[0]?.hop;
  const deploys = d.deploys ?? [];
  const failed = d.sources.filter((s) => !s.ok);
  const noted = d.sources.filter((s) => s.note);
  if (deploys.length + failed.length + noted.length === 0) return null;
  return (
    <ul class="notices">
      {deploys.map((x) => <li key={x.service + x.version} class={x.service === hop ? "deploy hot" : "deploy"}><b>{x.service}</b> {deployed(x, change)}</li>)}
      {failed.map((s) => <li key={s.name} class="bad"><b>{s.name}</b> did not answer; the result rests on the other sources: {s.error}</li>)}
      {noted.map((s) => <li key={`${s.name} note`}><b>{s.name}</b>: {s.note}</li>)}
    </ul>
  );
}

// Sources shows what was read and how long it took. asked holds the parameters of
// the diagnosis.
export function Sources({ d, asked }: { d: Diagnosis; asked: Query }) {
  return (
    <div class="sources">
      {d.sources.map((s) => <span key={s.name} class={s.ok ? "" : "bad"} title={s.url}>{s.ok ? answered(s) : `${s.name}: failed after ${s.took_ms.toFixed(0)} ms`}</span>)}
      {(d.stages ?? []).length > 0 && <span title="Stages of the diagnosis">{d.stages!.map((s) => `${s.name} ${s.took_ms.toFixed(0)} ms`).join(", ")}</span>}
      <a href={withQuery("/api/diagnose", asked)} target="_blank" rel="noreferrer">as JSON</a>
    </div>
  );
}
