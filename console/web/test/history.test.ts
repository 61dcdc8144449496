import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, past, remember, type History } from "../src/history";
import type { Snapshot } from "../src/types";

const snapshot = (self: number | undefined): Snapshot => ({
  at: "", took_ms: 0, edges: [], entries: [], slos: [], alerts: [],
  hops: [{ name: "payment", kind: "service", rate: 1, errors: 0, operations: [], ...(self === undefined ? {} : { self }) }],
});

test("the last three minutes are kept", () => {
  const h: History = new Map();
  for (let i = 0; i < 200; i++) remember(h, snapshot(i));
  remember(h, snapshot(undefined));
  const line = h.get("payment")!;
  assert.equal(line.length, 90);
  assert.deepEqual(line.slice(-2), [199, 0]);
});

test("the minutes before are read from Prometheus", () => {
  const h: History = new Map([["payment", [9]]]);
  const q = past(1000, 15);
  assert.match(q.query, /\[60s\].*\[60s\]/);
  assert.match(past(1000, 2).query, /\[30s\]/);
  assert.match(past(1000, 2, ["component", "app"]).query, /label_replace\(label_replace\(rate\(hop_self_duration_seconds_sum\[30s\]\), "service_name", "\$1", "app", .*\), "service_name", "\$1", "component", /);
  fill(h, q, { data: { result: [{ metric: { service_name: "payment" }, values: [[q.start - 4, "5"], [q.start, "1"], [q.start + 2, "NaN"], [q.end, "3"]] }] } });
  const line = h.get("payment")!;
  assert.equal(line.length, 90);
  assert.deepEqual([line[0], line[1], line[89]], [1, 0, 3]);
});
