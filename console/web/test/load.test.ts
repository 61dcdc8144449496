import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, failed, started, type Load } from "../src/ui/load";

const gone = new Error("the console does not answer");

test("the last data stay when a reload fails", () => {
  const first = answered("a", 1, 1000);
  const reload = started(first, "a");
  assert.deepEqual(reload, { key: "a", data: 1, at: 1000, loading: true });
  const stale = failed(reload, "a", gone);
  assert.deepEqual(stale, { key: "a", data: 1, at: 1000, error: gone, loading: false });
  assert.deepEqual(started(stale, "a"), { ...stale, loading: true }, "the note stays while it is tried again");
  assert.deepEqual(answered("a", 2, 2000), { key: "a", data: 2, at: 2000, loading: false });
});

test("data of another key are not shown", () => {
  const first: Load<number> = answered("a", 1, 1000);
  assert.deepEqual(started(first, "b"), { key: "b", loading: true });
  assert.deepEqual(failed(first, "b", gone), { key: "b", error: gone, loading: false });
});

test("an error without data is tried again without it", () => {
  const empty = failed<number>({ key: "a", loading: true }, "a", gone);
  assert.deepEqual(empty, { key: "a", error: gone, loading: false });
  assert.deepEqual(started(empty, "a"), { key: "a", loading: true });
});
