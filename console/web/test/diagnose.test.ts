import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, between, calm, carriers, deployed, entryName, facts, kinds, named, quantileName, reliable, timed } from "../src/diagnose/words";
import type { Band, Finding } from "../src/types";

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
