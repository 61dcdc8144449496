import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, clock, count, micros, millis, objective, percent, rate, seconds, shortOperation, signed } from "../src/format";

// plain writes the page's thin spaces and minus signs as ASCII.
const plain = (s: string): string => s.replaceAll("\u202f", " ").replaceAll("\u2212", "-");

test("durations keep three significant digits and change their unit", () => {
  for (const [s, want] of [
    [0, "0 ms"], [4e-7, "0 µs"], [0.00042, "420 µs"], [0.0061, "6.10 ms"], [0.0355, "35.5 ms"], [0.519, "519 ms"],
    [1.5, "1.50 s"], [119, "119 s"], [120, "2.00 min"], [7200, "2.00 h"], [-0.03, "-30.0 ms"], [NaN, "–"], [Infinity, "–"],
  ] as const) assert.equal(plain(seconds(s)), want);
  assert.equal(seconds(undefined), "–");
  assert.equal(plain(millis(35.6)), "35.6 ms");
  assert.equal(plain(micros(1_500_000)), "1.50 s");
  assert.equal(millis(null), "–");
});

test("differences carry a sign", () => {
  for (const [ms, want] of [[12, "+12.0 ms"], [-12, "-12.0 ms"], [0, "0 ms"], [0.4, "+400 µs"]] as const) assert.equal(plain(signed(millis(ms))), want);
  assert.equal(signed("–"), "–");
});

test("ratios, rates, counts and sizes", () => {
  for (const [v, want] of [[0, "0 %"], [0.0012, "0.12 %"], [0.034, "3.4 %"], [0.97, "97 %"], [1.06, "106 %"], [-0.5, "-50 %"]] as const) assert.equal(plain(percent(v)), want);
  for (const [v, want] of [[0, "0/s"], [0.25, "0.25/s"], [10.2, "10.2/s"], [122, "122/s"]] as const) assert.equal(rate(v), want);
  for (const [v, want] of [[3, "3"], [2.5, "2.50"], [12_300, "12.3 k"], [4_000_000, "4.00 M"], [5e9, "5.00 G"], [-7, "-7"]] as const) assert.equal(plain(count(v)), want);
  for (const [v, want] of [[0, "0 B"], [1536, "1.50 KiB"], [3 * 2 ** 30, "3.00 GiB"]] as const) assert.equal(plain(bytes(v)), want);
});

test("clock times and operations", () => {
  assert.equal(clock(Date.UTC(2026, 10, 23, 10, 5, 9, 7)), "10:05:09");
  assert.equal(clock(Date.UTC(2026, 10, 23, 10, 5, 9, 7), true), "10:05:09.007");
  assert.equal(shortOperation("tenhop.v1.Payment/Charge"), "Payment/Charge");
  assert.equal(shortOperation("POST /checkout"), "POST /checkout");
});

test("objectives are written as they are", () => {
  for (const [v, want] of [[0.9, "90 %"], [0.985, "98.5 %"], [0.99, "99 %"], [0.999, "99.9 %"], [0.9995, "99.95 %"], [0.9999, "99.99 %"], [0.99999, "99.999 %"], [1, "100 %"]] as const) {
    assert.equal(plain(objective(v)), want);
  }
});
