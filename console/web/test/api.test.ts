import assert from "node:assert/strict";
import { test } from "node:test";
import { address, withQuery } from "../src/api";

test("addresses of endpoints", () => {
  assert.equal(address("GET /api/config"), "/api/config");
  assert.equal(address("GET /api/services/{name}/operations", { name: "a/b c" }), "/api/services/a%2Fb%20c/operations");
});

test("queries leave out what is empty", () => {
  assert.equal(withQuery("/x", { entry: "POST /checkout", since: "15m", limit: 0, none: undefined, empty: "" }), "/x?entry=POST+%2Fcheckout&since=15m&limit=0");
  assert.equal(withQuery("/x", new URLSearchParams("a=1&a=2&b=")), "/x?a=1&a=2");
  assert.equal(withQuery("/x"), "/x");
});
