import { clock, millis, percent, shortOperation, signed } from "../format";
import type { Band, Deploy, DiagnosedEntry, Diagnosis, Finding, Signal, Source, TimeRange } from "../types";

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

// answered says what a source returned.
export function answered(s: Source): string {
  const unit = s.name === "prometheus" ? "series" : s.name === "pprof" ? "profiles" : "traces";
  return `${s.name}: ${s.read} ${unit} in ${s.took_ms.toFixed(0)} ms`;
}

// between writes a range of time.
export const between = (r: TimeRange): string => `${clock(Date.parse(r.from))} – ${clock(Date.parse(r.to))}`;
