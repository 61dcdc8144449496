import assert from "node:assert/strict";
import { test } from "node:test";
import { counts, injected, isRight, mark, score, wrong } from "../src/drill/words";
import type { DrillRecord, DrillRound } from "../src/types";

const seconds = { moved: 3, alerted: 9, answered: 21, lifted: 22, recovered: 30 };
const round: DrillRound = {
  round: 1, fault: { kind: "latency", hop: "payment", operation: "Charge", latency: "500ms" }, answer: null,
  right_hop: true, right_operation: true, right_kind: true, seconds,
};
const record = (r: DrillRound): DrillRecord => ({ at: "2026-11-27T12:00:00Z", round: r });

test("a round is right if every part is that the fault has", () => {
  assert.ok(isRight(round));
  for (const part of ["right_hop", "right_operation", "right_kind", "right_instance", "right_cause", "right_attribute"] as const) {
    const r = { ...round, [part]: false };
    assert.ok(!isRight(r), part);
    assert.deepEqual(wrong(r), [part.slice("right_".length)]);
    assert.ok(isRight({ ...round, [part]: true }), part);
  }
});

test("rounds are marked", () => {
  const missed = { ...round, right_hop: false, right_operation: false, right_kind: false };
  assert.equal(mark(round).text, "right");
  assert.equal(mark(missed).text, "wrong");
  assert.deepEqual(mark({ ...round, right_cause: false }), { kind: "no", text: "not quite", why: "not cause" });
  assert.deepEqual(mark({ ...missed, half: true }), { kind: "no", text: "half right", why: "one of the faults is named; not hop, operation, kind" });
  assert.equal(mark({ ...missed, gave_up: true }).text, "given up");
  assert.deepEqual(mark({ ...missed, error: "out of time", seconds: { ...seconds, answered: null } }), { kind: "no", text: "no answer", why: "out of time" });
  assert.deepEqual(mark({ ...round, void: "an alert fired before" }), { kind: "void", text: "void", why: "an alert fired before" });
});

test("void rounds do not count", () => {
  const history = [round, { ...round, void: "no traffic" }, { ...round, right_cause: false }, { ...round, right_hop: false, void: "no traffic" }].map(record);
  assert.equal(score(history), "1 of 2 right; 2 void");
  assert.equal(score(history.slice(0, 1)), "1 of 1 right");
  assert.deepEqual(history.map((e) => counts(e.round)), [true, false, true, false]);
});

test("faults are named", () => {
  assert.deepEqual(injected(round), { hop: "payment", operation: "Charge", kind: "latency +500ms" });
  assert.equal(injected({ ...round, fault: { kind: "none", hop: "", operation: "" } }).hop, "no hop");
  const two = { kind: "two", hop: "payment", operation: "Charge", expect: [{ hop: "payment", operation: "Charge" }, { hop: "stock" }],
    injected: [{ service: "payment", kind: "latency", latency: "300ms" }, { service: "stock", kind: "cpu" }] };
  assert.deepEqual(injected({ ...round, fault: two }), { hop: "payment and stock", operation: "Charge and any", kind: "latency +300ms and cpu" });
});
