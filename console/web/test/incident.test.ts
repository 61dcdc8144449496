import assert from "node:assert/strict";
import { test } from "node:test";
import { felt, place, traffic } from "../src/incident/words";
import type { Diagnosis, Finding } from "../src/types";

// plain writes the page's thin spaces as ASCII.
const plain = (s: string): string => s.replaceAll("\u202f", " ");

const at = (s: number): string => new Date(Date.UTC(2026, 10, 27, 12) + 1000 * s).toISOString();
const range = (from: number, to: number) => ({ from: at(from), to: at(to) });

// POST /checkout has 10 requests per second in a baseline of 200 s and in the minute after it.
const diagnosis: Diagnosis = {
  verdict: "spike", entry: { service: "gateway", operation: "POST /checkout" }, other_entries: [], entries_looked_at: 1, statistic: "mean",
  baseline_ms: 30, now_ms: 500, added_ms: 470, p95: { baseline_ms: 40, now_ms: 700 }, window: range(200, 260), baseline: range(0, 200),
  requests: { baseline: 2000, now: 600 }, findings: [], sources: [], took_ms: 1, resolution_s: 2,
};

test("traffic is counted in the ranges that requests are counted in", () => {
  const same = "traffic about the same: 10.0/s, 10.0/s before";
  assert.equal(traffic(diagnosis), same);
  // An earlier spike from 50 s to 150 s is no part of the baseline.
  assert.equal(traffic({ ...diagnosis, baseline_parts: [range(0, 50), range(150, 200)], requests: { baseline: 1000, now: 600 } }), same);
  // Slow requests in two phases of 10 s: each is counted with the step before it.
  const minority = { share: 0.1, over_ms: 250, slow: 30, requests: 560, usual_share: 0, phases: [range(202, 212), range(248, 258)] };
  const phased = { ...diagnosis, window: range(200, 258), minority, requests: { baseline: 2000, now: 240 } };
  assert.equal(traffic(phased), same);
  // The mean has left its baseline beside that: its window is whole.
  assert.equal(traffic({ ...phased, window: range(200, 260), requests: { baseline: 2000, now: 600 } }), same);
  assert.equal(traffic({ ...phased, window: range(180, 258), requests: { baseline: 1800, now: 390 } }), "traffic 5.00/s, 9.00/s before");
});

test("traffic that has grown or is not known", () => {
  assert.equal(traffic({ ...diagnosis, requests: { baseline: 2000, now: 1800 } }), "traffic 30.0/s, 10.0/s before");
  assert.equal(traffic({ ...diagnosis, requests: { baseline: 0, now: 1800 } }), "");
  assert.equal(traffic({ ...diagnosis, baseline: range(0, 0) }), "");
});

test("what customers feel", () => {
  const mean = "POST /checkout takes 500 ms on average, usually 30.0 ms; one in twenty longer than 700 ms, usually 40.0 ms";
  assert.equal(plain(felt(diagnosis)), `${mean}.`);
  const minority = { share: 0.1, over_ms: 250, slow: 30, requests: 560, usual_share: 0.002 };
  const errors = { baseline: 0.001, now: 0.2, type: "503" };
  assert.equal(plain(felt({ ...diagnosis, minority, errors })), `${mean}; 10 % of the requests longer than 250 ms, usually 0.20 %; 20 % fail with 503, usually 0.10 %.`);
  assert.equal(plain(felt({ ...diagnosis, verdict: "errors", errors })), "20 % of POST /checkout fail with 503, usually 0.10 %.");
});

test("the place of every kind of finding has a name", () => {
  const at = (kind: string): string => place({ hop: kind === "mix" ? "" : "payment", kind, target: "db" } as Finding);
  for (const [kind, want] of Object.entries({ self: "payment", errors: "payment", dependency: "payment, which waits for db", link: "the link between db and payment",
    mix: "other requests than before (db)", calls: "more calls between db and payment", queue: "waiting before db of payment" })) assert.equal(at(kind), want);
});
