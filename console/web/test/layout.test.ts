import assert from "node:assert/strict";
import { test } from "node:test";
import { lay, nodeHeight, nodeName, nodeWidthFor, topology } from "../src/now/layout";
import { clip, textWidth } from "../src/now/text";
import type { Edge, Hop } from "../src/types";

const hop = (name: string): Hop => ({ name, kind: "service", rate: 1, errors: 0, operations: [] });
const edge = (from: string, to: string, kind = "grpc"): Edge => ({ from, to, kind, rate: 1, ...(kind === "kafka" || kind === "rabbitmq" ? { topic: "orders" } : {}) });

const hops = ["gateway", "checkout", "payment", "order", "shipping", "notification", "a-service-with-a-very-long-name-indeed"].map(hop);
const edges = [
  edge("gateway", "checkout"), edge("checkout", "payment"), edge("checkout", "order"), edge("order", "payment"), edge("order", "shipping", "kafka"),
  edge("shipping", "notification", "kafka"), edge("checkout", "a-service-with-a-very-long-name-indeed"), edge("payment", "payment"), edge("payment", "gone"),
];

test("names fit in their nodes", () => {
  const width = nodeWidthFor(hops.map((h) => h.name));
  for (const { name } of hops) assert.ok(textWidth(nodeName(name, width), 13.5) <= width - 20, name);
  assert.equal(nodeName("notification", width), "notification");
  assert.match(nodeName("a-service-with-a-very-long-name-indeed", width), /^a-ser.*….*eed$/);
  assert.equal(nodeWidthFor(["cart"]), nodeWidthFor([]), "short names share a minimum width");
});

test("clip keeps both ends, and whole characters", () => {
  assert.equal(clip("short", 1000, 10), "short");
  assert.equal(clip("payment-eu", 0, 10), "p…");
  assert.equal(clip("", 0, 10), "");
  assert.equal([...clip("🛒🛒🛒🛒🛒🛒🛒🛒🛒🛒", 60, 10)].filter((c) => c !== "…" && c !== "🛒").length, 0);
});

for (const aspect of [0.5, 1.5, 4]) {
  test(`nodes lie apart and within the map at aspect ${aspect}`, () => {
    const l = lay(hops, edges, aspect);
    const at = [...l.nodes.entries()];
    assert.equal(at.length, hops.length);
    for (const [i, [name, a]] of at.entries()) {
      assert.ok(a.x - l.nodeWidth / 2 >= l.left && a.x + l.nodeWidth / 2 <= l.left + l.width && a.y - nodeHeight / 2 >= l.top && a.y + nodeHeight / 2 <= l.top + l.height, `${name} is outside`);
      for (const [other, b] of at.slice(i + 1)) assert.ok(Math.abs(a.x - b.x) >= l.nodeWidth || Math.abs(a.y - b.y) >= nodeHeight, `${name} covers ${other}`);
    }
    // A call to itself and one to a hop that is not shown are left out.
    assert.equal(l.edges.length, edges.length - 2);
    for (const e of l.edges) assert.match(e.path, /^M-?[\d.]+,-?[\d.]+[QL]/);
  });
}

test("the layout depends on names and connections only", () => {
  const busy = hops.map((h) => ({ ...h, rate: 900, errors: 0.5, hot: true }));
  assert.equal(topology(busy, edges), topology(hops, edges));
  assert.deepEqual(lay(busy, edges, 1.5), lay(hops, edges, 1.5));
  assert.notEqual(topology(hops, edges.slice(1)), topology(hops, edges));
});

test("a single hop and no hop", () => {
  assert.equal(lay([hop("gateway")], [], 1.5).nodes.size, 1);
  assert.ok(lay([], [], 1.5).width > 0);
});
