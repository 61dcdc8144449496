import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answered, between, calm, carriers, changed, deployed, end, entryName, facts, failure, grounded, kinds, named, notes, permanent, quantileName, reliable, runbooks, timed,
} from "../src/diagnose/words";
import type { Alert, Band, Diagnosis, Finding } from "../src/types";

const plain = (s: string): string => s.replaceAll("\u202f", " ").replaceAll("\u2212", "-");
const finding: Finding = {
  rank: 1, hop: "payment", operation: "tenhop.v1.Payment/Charge", kind: "self", baseline_ms: 3.5, now_ms: 522, added_ms: 519, share: 0.94, interval: [0.9, 0.97],
  counterfactual_ms: 36, attributes: [], exemplars: [],
};

test("every kind of finding has a name", () => {
  const want: Record<string, string> = {
    self: "payment", dependency: "payment waits for db", link: "the link between db and payment", queue: "waiting before db of payment", errors: "payment – db",
    calls: "more calls between db and payment", mix: "other requests than before (db)", flow: "what payment does",
    concurrency: "calls of db by payment",
  };
  assert.deepEqual(Object.keys(kinds).sort(), Object.keys(want).sort());
  for (const [kind, text] of Object.entries(want)) assert.equal(named({ hop: "payment", kind, target: "db" }), text);
  assert.equal(named({ hop: "payment", kind: "errors" }), "payment");
});

test("an entry without a spike is at its baseline or faster", () => {
  const of = (baseline_ms: number, now_ms: number, entries_looked_at = 1) =>
    plain(calm({ baseline_ms, now_ms, entries_looked_at, entry: { service: "gateway", operation: "POST /checkout" } }));
  assert.equal(of(30, 31), "No spike: POST /checkout is at its baseline (mean 31.0 ms).");
  assert.equal(of(30, 20), "No spike: POST /checkout is at its baseline (mean 20.0 ms).");
  assert.equal(of(30, 19.9), "No spike: POST /checkout is faster than its baseline (mean 30.0 ms → 19.9 ms).");
  assert.equal(of(30, 19.9, 8), "No spike in any of 8 entries; the busiest, POST /checkout, is faster than its baseline (mean 30.0 ms → 19.9 ms).");
  assert.equal(plain(calm({ baseline_ms: 0, now_ms: 0, entries_looked_at: 0, entry: { service: "", operation: "" } })), "No spike: every entry is at its baseline (mean 0 ms).");
});

test("facts of a finding", () => {
  assert.deepEqual(facts(finding), []);
  const full: Finding = {
    ...finding, evidence: "in 9 of 10 traces it asks stock twice", calls: { baseline: 1, now: 3 }, counterfactual_p95_ms: [68, 95],
    operations: [{ operation: "tenhop.v1.Payment/Charge", added_ms: 500 }, { operation: "tenhop.v1.Payment/Refund", added_ms: -4 }],
  };
  assert.deepEqual(facts(full).map(plain), [
    "In 9 of 10 traces it asks stock twice", "3.0 calls per request, 1.0 before", "By operation: Payment/Charge +500 ms, Payment/Refund -4.00 ms",
    "Without it, p95 would be 68.0 ms to 95.0 ms",
  ]);
  const second: Finding = { ...finding, entry: "GET /cart", off_path: { added_ms: 148, remains_ms: 150 }, cause: { kind: "lost_concurrency", why: "calls follow each other", evidence: [], sure: false } };
  assert.deepEqual(facts(second).map(plain), [
    "Probably calls follow each other", "Its share is of the added time at GET /cart",
    "148 ms more beside the critical path; without the other findings requests would still take 150 ms longer",
  ]);
  assert.ok(timed(finding));
  assert.ok(!timed({ ...finding, baseline_ms: 0, now_ms: 0 }));
});

test("entries, quantiles and sources", () => {
  assert.equal(entryName({ service: "gateway", operation: "POST /checkout" }), "POST /checkout");
  assert.equal(entryName({ service: "gateway", operation: "POST /checkout", flow: "async" }), "POST /checkout to completion");
  assert.equal(entryName({ service: "gateway", operation: "POST /checkout", flow: "async", consumer: { service: "notification", operation: "x" } }), "POST /checkout to completion at notification");
  const part = { hop: "payment", operation: "x", kind: "self", added_ms: 1, share: 0.5 };
  const band: Band = { quantile: 0.95, baseline_ms: 1, now_ms: 2, added_ms: 1, requests: { baseline: 5, now: 9 }, parts: [part, part, part, part] };
  assert.deepEqual([0.5, 0.95, 0.99, 0.999].map((quantile) => quantileName({ ...band, quantile })), ["p50", "p95", "p99", "p99.9"]);
  assert.ok(reliable(band));
  assert.ok(!reliable({ ...band, requests: { baseline: 4, now: 9 } }));
  assert.deepEqual(carriers(band).map(plain), ["payment 50 %", "payment 50 %", "payment 50 %"]);
  assert.equal(answered({ name: "prometheus", ok: true, read: 308, took_ms: 40.4 }), "prometheus: 308 series in 40 ms");
  assert.equal(answered({ name: "jaeger", ok: true, read: 0, took_ms: 3 }), "jaeger: 0 traces in 3 ms");
  assert.equal(answered({ name: "loki", ok: true, read: 12, took_ms: 3 }), "loki: 12 log lines in 3 ms");
  assert.equal(failure({ name: "jaeger", ok: false, error: "gone", read: 0, took_ms: 3 }), "did not answer; the result rests on the other sources: gone");
  assert.equal(failure({ name: "jaeger", ok: false, error: "gone", read: 9, took_ms: 3 }), "a part was not read: gone");
});

test("a deployment is placed relative to the change", () => {
  const deploy = { service: "payment", version: "2.0", before: "1.9", seen: "2026-11-26T20:20:05Z" };
  const change = { from: "2026-11-26T20:20:10Z", to: "2026-11-26T20:21:10Z" };
  assert.equal(deployed(deploy, change), "runs version 2.0 since 20:20:05, 5 s before the change; 1.9 before");
  assert.equal(deployed({ ...deploy, seen: "2026-11-26T20:20:12Z" }, change), "runs version 2.0 since 20:20:12, 2 s after the change began; 1.9 before");
  assert.equal(deployed({ ...deploy, seen: "2026-11-26T18:20:05Z" }, change), "runs version 2.0 since 18:20:05; 1.9 before");
  assert.equal(deployed(deploy, undefined), "runs version 2.0 since 20:20:05; 1.9 before");
  assert.equal(between(change), "20:20:10 – 20:21:10");
});

const range = (from: string, to: string) => ({ from: `2026-11-26T20:${from}Z`, to: `2026-11-26T20:${to}Z` });
const diagnosis: Diagnosis = {
  verdict: "spike", entry: { service: "gateway", operation: "POST /checkout" }, other_entries: [], entries_looked_at: 1, statistic: "mean",
  baseline_ms: 30, now_ms: 500, added_ms: 470, p95: { baseline_ms: 40, now_ms: 700 }, window: range("20:10", "21:10"), baseline: range("16:10", "20:10"),
  requests: { baseline: 2000, now: 600 }, findings: [finding], sources: [], took_ms: 1,
};

test("errors have a time of their own", () => {
  const errors = { baseline: 0, now: 0.2, window: range("20:40", "21:10") };
  assert.equal(changed({ ...diagnosis, errors }), diagnosis.window);
  assert.equal(changed({ ...diagnosis, verdict: "errors", errors }), errors.window);
  assert.equal(changed({ ...diagnosis, verdict: "errors" }), diagnosis.window);
});

test("what limits a diagnosis is said", () => {
  assert.deepEqual(notes(diagnosis), []);
  const all = notes({
    ...diagnosis, past: { ...range("10:00", "11:00"), mean_ms: 187, entry: "POST /checkout", what: "payment" },
    minority: { share: 0.1, over_ms: 250, slow: 9, requests: 90, usual_share: 0, phases: [range("20:10", "20:20"), range("21:00", "21:10")] },
    warnings: ["metrics and traces disagree"], incomplete_traces: 1,
    shared_stores: [{ system: "postgresql", namespace: "shop", address: "db:5432", services: ["payment", "order"], tables: ["orders"], sure: false, why: "by name" }],
  });
  assert.deepEqual(all.map(plain), [
    "Over since 20:11:00: mean 187 ms from 20:10:00 – 20:11:00 at POST /checkout; payment", "Slow phases: 20:20:10 – 20:20:20, 20:21:00 – 20:21:10", "Warning: metrics and traces disagree",
    "Shared store: payment, order use one database: postgresql shop at db:5432, tables orders; not sure: by name", "1 trace is left out: spans of them are missing or had not arrived",
  ]);
  assert.equal(grounded(diagnosis), "");
  assert.equal(grounded({ ...diagnosis, decided_by: "both", recent: { seconds: 30, requests: 300, traces: 12, age_s: 3.2 } }), "decided by metrics and traces; the newest data are 3 s old");
});

test("the end of a link that delays it", () => {
  const link = { ...finding, kind: "link", target: "gateway", evidence: "all its links are slower" };
  assert.equal(end(link), "; the delay is at payment");
  assert.equal(end({ ...link, either_end: true }), "; nothing tells whether gateway or payment delays it");
  assert.equal(end(finding), "");
});

test("a link to a diagnosis names its time", () => {
  const to = Date.UTC(2026, 10, 26, 20, 21, 10);
  const of = (since: string, more = {}) => permanent(diagnosis, { entry: "POST /checkout", since, ...more });
  assert.deepEqual(of("15m"), { entry: "POST /checkout", from: String(to - 900_000), to: String(to) });
  assert.deepEqual(of("1h"), { entry: "POST /checkout", from: String(to - 3_600_000), to: String(to) });
  assert.deepEqual(of("90s"), { entry: "POST /checkout", from: String(to - 300_000), to: String(to) });
  assert.deepEqual(of("", { from: "1", to: "2" }), { entry: "POST /checkout", from: "1", to: "2" });
  assert.deepEqual(permanent({ ...diagnosis, window: { from: "", to: "" } }, { entry: "", since: "5m" }), { entry: "", since: "5m" });
});

test("runbooks are those of what is diagnosed", () => {
  const alert = (name: string, labels: Record<string, string>, runbook = `https://run/${name}`, state = "firing"): Alert => ({ name, state, severity: "page", summary: "", since: "", labels, runbook });
  const own = [{ name: "slow-hop", url: "https://run/SlowHop" }, { name: "hop-stalls", url: "https://run/stalls" }];
  assert.deepEqual(runbooks({ ...diagnosis, runbooks: own }, [alert("SlowHop", {}), alert("Up", {})]).map((b) => b.name), ["slow-hop", "hop-stalls", "of Up"]);
  const found = runbooks({ ...diagnosis, runbooks: [] }, [
    alert("SlowHop", { service_name: "payment" }), alert("EntrySpike", { entry: "POST /checkout" }), alert("Up", {}), alert("Twice", {}, "https://run/Up"),
    alert("SlowHop2", { service_name: "cart" }), alert("Other", { entry: "GET /cart" }), alert("Pending", {}, "https://run/p", "pending"), alert("Odd", {}, "javascript:alert(1)"),
  ]);
  assert.deepEqual(found.map((b) => b.name), ["of SlowHop", "of EntrySpike", "of Up"]);
});
