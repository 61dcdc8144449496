import { clock, millis, percent, shortOperation, signed } from "../format";
import type { Alert, Band, Deploy, DiagnosedEntry, Diagnosis, DiagnosisView, Finding, Runbook, Signal, Source, TimeRange } from "../types";

// kinds names the kinds of findings.
export const kinds: Record<string, string> = {
  self: "self time", dependency: "dependency", link: "link", queue: "queue", errors: "errors", calls: "more calls", mix: "mix", flow: "flow",
  concurrency: "lost concurrency",
};

// named says what a finding is about, as `tenhop diagnose` does.
export function named(f: Pick<Finding, "hop" | "kind" | "target">): string {
  const target = f.target ?? "?";
  switch (f.kind) {
    case "dependency": return `${f.hop} waits for ${target}`;
    case "link": return `the link between ${target} and ${f.hop}`;
    case "queue": return `waiting before ${target} of ${f.hop}`;
    case "mix": return `other requests than before (${target})`;
    case "calls": return `more calls between ${target} and ${f.hop}`;
    case "flow": return `what ${f.hop} does`;
    case "concurrency": return f.target && f.target !== f.hop ? `calls of ${f.target} by ${f.hop}` : f.hop;
    case "errors": return f.target ? `${f.hop} – ${f.target}` : f.hop;
    default: return f.hop;
  }
}

// timed reports whether a finding has times. One from a comparison of traces has
// none when the critical paths do not show it.
export const timed = (f: Finding): boolean => f.baseline_ms !== 0 || f.now_ms !== 0;

// muchFaster is the fraction of its baseline below which a mean is not at it.
const muchFaster = 2 / 3;

// calm is the verdict without a spike, in the words of `tenhop diagnose`.
export function calm(d: Pick<Diagnosis, "baseline_ms" | "now_ms" | "entry" | "entries_looked_at">): string {
  const what = d.entry.operation || "every entry";
  const how = d.now_ms < muchFaster * d.baseline_ms
    ? `is faster than its baseline (mean ${millis(d.baseline_ms)} → ${millis(d.now_ms)})`
    : `is at its baseline (mean ${millis(d.now_ms)})`;
  return d.entries_looked_at > 1 ? `No spike in any of ${d.entries_looked_at} entries; the busiest, ${what}, ${how}.` : `No spike: ${what} ${how}.`;
}

// facts returns the evidence for a finding beside its times and attributes.
export function facts(f: Finding): string[] {
  const out: string[] = [];
  if (f.evidence) out.push(capital(f.evidence));
  if (f.instance) out.push(`Only its instance ${f.instance}`);
  if (f.cause) out.push(capital((f.cause.sure || open.includes(f.cause.kind) ? "" : "probably ") + f.cause.why + measured(f.cause.evidence)));
  if (f.entry) out.push(`Its share is of the added time at ${f.entry}`);
  if (f.off_path) out.push(`${millis(f.off_path.added_ms)} more beside the critical path; without the other findings requests would still take ${millis(f.off_path.remains_ms)} longer`);
  if (f.calls) out.push(`${f.calls.now.toFixed(1)} calls per request, ${f.calls.baseline.toFixed(1)} before`);
  const parts = f.operations ?? [];
  if (parts.length > 0) out.push(`By operation: ${parts.map((o) => `${shortOperation(o.operation)} ${signed(millis(o.added_ms))}`).join(", ")}`);
  if (f.counterfactual_p95_ms) out.push(`Without it, p95 would be ${millis(f.counterfactual_p95_ms[0])} to ${millis(f.counterfactual_p95_ms[1])}`);
  return out;
}

// open lists the kinds of causes whose sentence claims nothing.
const open = ["unknown", "link", "dependency", "code"];

// measured returns the evidence of a cause in parentheses.
function measured(evidence: Signal[] | null): string {
  const parts = (evidence ?? []).map((s) => `${s.signal} ${short(s.before)} → ${short(s.now)} ${s.unit ?? ""}`.trim());
  return parts.length > 0 ? ` (${parts.join(", ")})` : "";
}

const short = (v: number): string => String(Math.abs(v) >= 100 ? Math.round(v) : Number(v.toPrecision(3)));

const capital = (s: string): string => s.charAt(0).toUpperCase() + s.slice(1);

// sources names the sources of quotes.
export const sources: Record<string, string> = { exception: "exception", status: "status", event: "event", log: "logs" };

// spent names the types of profiles.
export const spent: Record<string, string> = { cpu: "CPU", block: "blocked in", mutex: "waiting for locks in" };

// entryName names an entry and the end of an asynchronous flow.
export function entryName(e: DiagnosedEntry): string {
  if (e.flow !== "async") return e.operation;
  return `${e.operation} to completion${e.consumer ? ` at ${e.consumer.service}` : ""}`;
}

// quantileName writes 0.5 as p50.
export const quantileName = (b: Band): string => `p${Number((100 * b.quantile).toFixed(1))}`;

// minRequests is the number of traces that a reliable quantile needs.
const minRequests = 5;

export const reliable = (b: Band): boolean => Math.min(b.requests.baseline, b.requests.now) >= minRequests;

// carriers returns the largest contributions to a quantile.
export const carriers = (b: Band): string[] => b.parts.slice(0, 3).map((p) => `${named(p)} ${percent(p.share)}`);

// deployed says when a version was first seen, relative to the start of the change.
export function deployed(d: Deploy, change: TimeRange | undefined): string {
  const seen = Date.parse(d.seen);
  const lead = change ? Math.round((Date.parse(change.from) - seen) / 1000) : NaN;
  const relative = !isFinite(lead) || Math.abs(lead) > 3600 ? "" : lead >= 0 ? `, ${lead} s before the change` : `, ${-lead} s after the change began`;
  return `runs version ${d.version} since ${clock(seen)}${relative}; ${d.before} before`;
}

// units names what sources return; others return traces.
const units: Record<string, string> = { prometheus: "series", pprof: "profiles", flight: "kinds of own time", loki: "log lines" };

// answered says what a source returned.
export const answered = (s: Source): string => `${s.name}: ${s.read} ${units[s.name] ?? "traces"} in ${s.took_ms.toFixed(0)} ms`;

// failure says what a source did not return.
export const failure = (s: Source): string =>
  s.read > 0 ? `a part was not read: ${s.error ?? ""}` : `did not answer; the result rests on the other sources: ${s.error ?? ""}`;

// changed returns when the entry has left its baseline: since when it fails, if that is the
// verdict, or since when it is slower.
export const changed = (d: Diagnosis): TimeRange => (d.verdict === "errors" && d.errors?.window) || d.window;

// raised reports whether an entry has left its baseline.
export const raised = (d: Diagnosis): boolean => d.verdict === "spike" || d.verdict === "errors";

// notes returns what else is known, as `tenhop diagnose` prints it: the spike that is over,
// phases, warnings, shared stores and traces that were left out.
export function notes(d: Diagnosis): string[] {
  const out: string[] = [];
  const p = d.past;
  if (p) out.push(`Over since ${clock(Date.parse(p.to))}: mean ${millis(p.mean_ms)} from ${between(p)}${p.entry ? ` at ${p.entry}` : ""}${p.what ? `; ${p.what}` : ""}`);
  const phases = d.minority?.phases ?? [];
  if (phases.length > 1) out.push(`Slow phases: ${phases.map(between).join(", ")}`);
  for (const w of d.warnings ?? []) out.push(`Warning: ${w}`);
  for (const s of d.shared_stores ?? []) {
    const tables = s.tables.length > 0 ? `, tables ${s.tables.join(", ")}` : "";
    out.push(`Shared store: ${s.services.join(", ")} use one database: ${`${s.system} ${s.namespace}`.trim()} at ${s.address}${tables}${s.sure ? "" : `; not sure: ${s.why ?? ""}`}`);
  }
  const n = d.incomplete_traces ?? 0;
  if (n > 0) out.push(`${n === 1 ? "1 trace is" : `${n} traces are`} left out: spans of them are missing or had not arrived`);
  return out;
}

// grounded says which evidence decided, and how old it is.
export function grounded(d: Diagnosis): string {
  if (!d.decided_by || !d.recent) return "";
  return `decided by ${d.decided_by === "both" ? "metrics and traces" : d.decided_by}; the newest data are ${d.recent.age_s.toFixed(0)} s old`;
}

// end says which end of a slow link delays it, if that is known.
export function end(f: Finding): string {
  if (f.kind !== "link" || !f.evidence) return "";
  return f.either_end ? `; nothing tells whether ${f.target ?? "its caller"} or ${f.hop} delays it` : `; the delay is at ${f.hop}`;
}

// permanent returns the parameters of a diagnosis of the same time. A time before now is
// replaced by the range that it was.
export function permanent(d: Diagnosis, asked: { entry: string; since: string; from?: string; to?: string }): Record<string, string> {
  if (asked.from && asked.to) return { entry: asked.entry, from: asked.from, to: asked.to };
  const to = Math.max(Date.parse(d.window.to), Date.parse(d.baseline.to));
  const [, n, unit] = /^(\d+)([mh])$/.exec(asked.since) ?? [];
  const length = n ? Number(n) * (unit === "h" ? 3_600_000 : 60_000) : to - Math.min(Date.parse(d.window.from), Date.parse(d.baseline.from));
  if (!(to > 0) || !(length > 0)) return { entry: asked.entry, since: asked.since };
  return { entry: asked.entry, from: String(to - Math.max(length, 60_000)), to: String(to) };
}

// runbooks returns what to do: the runbooks of the diagnosis, and those of the alerts that fire
// for its entry or a hop of its findings.
export function runbooks(d: DiagnosisView, alerts: Alert[]): Runbook[] {
  const places = [d.entry.service, ...d.findings.flatMap((f) => [f.hop, f.target ?? ""])];
  const out = new Map(d.runbooks.map((b) => [b.url, b]));
  for (const a of alerts) {
    const { service_name: service, entry } = a.labels;
    const about = (!service || places.includes(service)) && (!entry || entry === d.entry.operation);
    if (about && a.state === "firing" && a.runbook && /^https?:\/\//.test(a.runbook) && !out.has(a.runbook)) out.set(a.runbook, { name: `of ${a.name}`, url: a.runbook });
  }
  return [...out.values()];
}

// between writes a range of time.
export const between = (r: TimeRange): string => `${clock(Date.parse(r.from))} – ${clock(Date.parse(r.to))}`;
