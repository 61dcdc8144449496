import assert from "node:assert/strict";
import { test } from "node:test";
import { press, visible, words, type Placed } from "../src/trace/rows";
import type { LogLine, Span, Trace } from "../src/types";

const span = (parent: number, depth: number, service: string, more: Partial<Span> = {}): Span =>
  ({ id: service, parent, depth, service, operation: "shop.v1.Shop/Get", kind: "server", start: 0, duration: 5000, self: 2000, tags: [], busy: [], ...more });
const trace = { trace_id: "t", start: 0, duration: 5000, roots: 1, services: [], spans: [
  span(-1, 0, "gateway"), span(0, 1, "gateway", { kind: "client", peer: "payment" }), span(1, 2, "payment", { failed: true, queue: { kind: "topic", from: 0, to: 1000 } }), span(0, 1, "order"),
] } as Trace;
const line: Placed = { at: 0, line: { at: 0, service: "gateway", level: "warn", message: "slow", fields: {} } as LogLine };
const logs = new Map([[0, [line]], [3, [line]]]);
const plain = (s: string): string => s.replaceAll("\u202f", " ");

test("rows of a tree have their level, their position among siblings and whether they are open", () => {
  const of = (folded: number[], withLogs: boolean) => visible(trace, new Set(folded), logs, withLogs).map((r) => [r.id, r.level, r.position, r.siblings, r.open]);
  assert.deepEqual(of([], false), [["0", 1, 1, 1, true], ["1", 2, 1, 2, true], ["2", 3, 1, 1, undefined], ["3", 2, 2, 2, undefined]]);
  assert.deepEqual(of([1], true), [["0", 1, 1, 1, true], ["0-0", 2, 1, 3, undefined], ["1", 2, 2, 3, false], ["3", 2, 3, 3, true], ["3-0", 3, 1, 1, undefined]]);
  assert.deepEqual(of([0], true), [["0", 1, 1, 1, false]]);
});

test("words of a row", () => {
  const rows = visible(trace, new Set([1]), logs, false);
  assert.deepEqual(rows.map((r) => plain(words(r, logs.get(r.index)?.length ?? 0))),
    ["5.00 ms, self time 2.00 ms, 1 log line", "called by gateway, 5.00 ms, 1 span folded", "5.00 ms, self time 2.00 ms, 1 log line"]);
  assert.equal(plain(words(visible(trace, new Set(), logs, false)[2]!, 0)), "5.00 ms, self time 2.00 ms, after 1.00 ms in the topic, failed");
});

test("keys of the tree view pattern", () => {
  const open = visible(trace, new Set(), logs, false);
  const folded = visible(trace, new Set([1]), logs, false);
  for (const [why, rows, at, key, want] of [
    ["to the next row", open, 0, "ArrowDown", { to: 1 }], ["the last row stays", open, 3, "ArrowDown", { to: 3 }], ["to the row before", open, 2, "ArrowUp", { to: 1 }],
    ["to the first row", open, 2, "Home", { to: 0 }], ["to the last row", open, 0, "End", { to: 3 }], ["a page of two rows", open, 0, "PageDown", { to: 2 }], ["a page back", open, 3, "PageUp", { to: 1 }],
    ["into an open row", open, 1, "ArrowRight", { to: 2 }], ["a folded row is opened", folded, 1, "ArrowRight", { open: true }], ["nothing is below", open, 3, "ArrowRight", { to: 3 }],
    ["an open row is folded", open, 1, "ArrowLeft", { open: false }], ["from a folded row to its parent", folded, 1, "ArrowLeft", { to: 0 }], ["from a leaf to its parent", open, 2, "ArrowLeft", { to: 1 }],
    ["details", open, 1, "Enter", { details: true }], ["details", open, 1, " ", { details: true }], ["no details", open, 1, "Escape", { details: false }],
    ["the next name with a letter", open, 0, "o", { to: 3 }], ["round the end", open, 2, "G", { to: 0 }], ["the callee of a call", open, 0, "p", { to: 1 }], ["no such name", open, 2, "x", { to: 2 }],
    ["the page's own key", open, 2, "/", undefined], ["no row", [], 0, "ArrowDown", undefined],
  ] as const) assert.deepEqual(press([...rows], at, key, 2), want, why);
});
