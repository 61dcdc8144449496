import { millis, percent, rate, seconds } from "../format";
import type { Diagnosis, Finding, IncidentSummary, TimeRange } from "../types";
import { entryName, facts, named, spent } from "../diagnose/words";

// brief writes seconds as a person says them: 9.4 s, 83 s, 12 min.
export function brief(s: number | undefined | null): string {
  if (s === undefined || s === null) return "–";
  if (s < 10) return `${Number(s.toFixed(1))}\u202fs`;
  if (s < 120) return `${s.toFixed(0)}\u202fs`;
  return seconds(s);
}

// day writes the day of a time: 27 Nov, in the words of the reader.
export const day = (at: string): string => new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" });

// lasted returns the seconds from one time to another, or undefined without the second.
export const lasted = (from: string, to: string | null | undefined): number | undefined =>
  to ? Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000) : undefined;

// after writes the seconds from the beginning of an incident.
export function after(from: string, to: string | null | undefined): string {
  const s = lasted(from, to);
  return s === undefined ? "not yet" : s === 0 ? "" : `+${brief(s)}`;
}

// felt says what customers notice.
export function felt(d: Diagnosis): string {
  const what = entryName(d.entry);
  if (d.verdict === "errors" && d.errors) return `${percent(d.errors.now)} of ${what} fail${d.errors.type ? ` with ${d.errors.type}` : ""}, usually ${percent(d.errors.baseline)}.`;
  const p95 = d.p95.now_ms > 0 ? `; one in twenty longer than ${millis(d.p95.now_ms)}, usually ${millis(d.p95.baseline_ms)}` : "";
  const some = d.minority ? `; ${percent(d.minority.share)} of the requests longer than ${millis(d.minority.over_ms)}, usually ${percent(d.minority.usual_share)}` : "";
  const fail = d.errors ? `; ${percent(d.errors.now)} fail${d.errors.type ? ` with ${d.errors.type}` : ""}, usually ${percent(d.errors.baseline)}` : "";
  return `${what} takes ${millis(d.now_ms)} on average, usually ${millis(d.baseline_ms)}${p95}${some}${fail}.`;
}

// reasons returns why a finding's hop is slow or fails, the surest first: its cause, where its
// processes spend their time, and which requests it affects.
export function reasons(f: Finding): string[] {
  const all = facts(f);
  const cause = f.cause ? all.filter((t) => t.includes(f.cause!.why.slice(1))) : [];
  const spending = (f.profile ?? []).map((p) => `${p.type === "cpu" ? "more CPU in" : spent[p.type] ?? p.type} ${p.function}`);
  const which = f.attributes.length > 0 ? [`mostly requests with ${f.attributes.map((a) => `${a.key} ${a.value} (${a.lift.toFixed(1)} times as often)`).join(", ")}`] : [];
  return [...cause, ...spending, ...which, ...all.filter((t) => !cause.includes(t))];
}

// place names the place that a finding is about.
export function place(f: Finding): string {
  switch (f.kind) {
    case "dependency": return `${f.hop}, which waits for ${f.target ?? "a dependency"}`;
    case "link": return `the link between ${f.target ?? "its caller"} and ${f.hop}`;
    case "errors": return f.hop;
    default: return named(f);
  }
}

// total returns the length of ranges of time in seconds.
const total = (ranges: TimeRange[]): number => ranges.reduce((sum, r) => sum + Math.max(0, Date.parse(r.to) - Date.parse(r.from)) / 1000, 0);

// counted returns the ranges of time in which the requests of a diagnosis were counted. Earlier
// spikes are not part of the baseline, and calm times between phases are not part of now. Now
// has a step of the metrics before each phase, too.
function counted(d: Diagnosis): { before: TimeRange[]; now: TimeRange[] } {
  const before = (d.baseline_parts ?? []).length > 0 ? d.baseline_parts! : [d.baseline];
  const step = 1000 * (d.resolution_s ?? 0);
  const [from, to] = [Date.parse(d.window.from), Date.parse(d.window.to)];
  const phases = (d.minority?.phases ?? []).map((p) => ({ from: Date.parse(p.from) - step, to: Math.min(to, Date.parse(p.to)) })).filter((p) => p.from < to);
  // A window of the mean is whole: it begins elsewhere, or has the requests between the phases.
  const whole = phases.length === 0 || !(Math.abs(phases[0]!.from - from) <= step) || d.requests.now >= d.minority!.requests;
  if (whole) return { before, now: [d.window] };
  const written = (ms: number) => new Date(ms).toISOString();
  return { before, now: phases.map((p) => ({ from: written(Math.max(from, p.from)), to: written(p.to) })) };
}

// traffic says how the rate of requests has changed, if it has.
export function traffic(d: Diagnosis): string {
  const ranges = counted(d);
  const [before, now] = [total(ranges.before), total(ranges.now)];
  if (!(before > 0) || !(now > 0) || d.requests.baseline === 0) return "";
  const [was, is] = [d.requests.baseline / before, d.requests.now / now];
  const ratio = is / was;
  return `traffic ${ratio > 1.5 || ratio < 0.67 ? "" : "about the same: "}${rate(is)}, ${rate(was)} before`;
}

// mean returns the mean of what is known.
export function mean(values: (number | undefined)[]): number | undefined {
  const known = values.filter((v): v is number => v !== undefined);
  return known.length > 0 ? known.reduce((sum, v) => sum + v, 0) / known.length : undefined;
}

// leastTrend is the number of incidents from which on a trend is shown.
const leastTrend = 4;
const steady = 1.1; // factor

// trend says how a mean of the newer half of the incidents compares with the older half.
export function trend(list: IncidentSummary[], to: (i: IncidentSummary) => string | null): string {
  const known = list.map((i) => lasted(i.began, to(i))).filter((v) => v !== undefined);
  if (known.length < leastTrend) return "";
  const half = Math.floor(known.length / 2);
  const [is, was] = [mean(known.slice(0, half))!, mean(known.slice(half))!];
  const way = is > was * steady ? "rising" : is * steady < was ? "falling" : "steady";
  return `${way}: ${brief(is)} lately, ${brief(was)} before`;
}
