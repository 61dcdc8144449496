import assert from "node:assert/strict";
import { test } from "node:test";
import { direction, sorted } from "../src/now/table";
import type { Hop } from "../src/types";

const hop = (name: string, rate: number): Hop => ({ name, kind: "service", rate, errors: 0, operations: [] });

test("the table is sorted in the direction that it announces", () => {
  const hops = [hop("payment", 5), hop("cart", 9), hop("stock", 7)];
  const first = (by: "name" | "rate") => sorted(hops, by)[0]!.name;
  assert.equal(first("name"), "cart");
  assert.equal(direction("name"), "ascending");
  assert.equal(first("rate"), "cart");
  for (const by of ["rate", "errors", "p95", "self", "added"] as const) assert.equal(direction(by), "descending");
  assert.deepEqual(sorted(hops, "rate").map((h) => h.rate), [9, 7, 5]);
  assert.deepEqual(sorted(hops, "name").map((h) => h.name), ["cart", "payment", "stock"]);
  assert.equal(hops[0]!.name, "payment", "the snapshot is not changed");
});
