import { bytes, count, percent, rate, seconds } from "../format";
import type { Defaults, Override } from "./model";

const thin = "\u202f";

// written returns a formatter for a unit of Grafana's.
export function written(unit: string | undefined, decimals?: number): (v: number) => string {
  const fixed = (v: number) => (decimals !== undefined ? v.toFixed(decimals) : count(v));
  switch (unit) {
    case "s": return seconds;
    case "ms": return (v) => seconds(v / 1e3);
    case "µs": return (v) => seconds(v / 1e6);
    case "ns": return (v) => seconds(v / 1e9);
    case "percentunit": return percent;
    case "percent": return (v) => percent(v / 100);
    case "bytes": case "decbytes": return bytes;
    case "Bps": case "binBps": return (v) => `${bytes(v)}/s`;
    case "reqps": case "ops": case "rps": case "cps": return rate;
    case undefined: case "": case "none": case "short": return decimals !== undefined ? fixed : count;
    default: return (v) => `${fixed(v)}${thin}${unit}`;
  }
}

// level maps a threshold colour of Grafana's palette to a level of the page's.
export function level(color: string | undefined): "good" | "warn" | "bad" | "accent" {
  if (!color) return "accent";
  if (/green/.test(color)) return "good";
  if (/orange|yellow|amber/.test(color)) return "warn";
  if (/red/.test(color)) return "bad";
  return "accent";
}

export function threshold(d: Defaults | undefined, v: number): "good" | "warn" | "bad" | "accent" {
  let at: string | undefined;
  for (const s of d?.thresholds?.steps ?? []) if (s.value === null || s.value === undefined || v >= s.value) at = s.color;
  return level(at);
}

// fieldConfig returns the settings of a field, with the overrides for its name.
export function fieldConfig(d: Defaults | undefined, overrides: Override[] | undefined, name: string): Defaults {
  const out: Defaults = { ...d };
  for (const o of overrides ?? []) {
    const fits = o.matcher.id === "byName" ? o.matcher.options === name
      : o.matcher.id === "byRegexp" ? new RegExp(String(o.matcher.options).replace(/^\/|\/$/g, "")).test(name) : false;
    if (!fits) continue;
    for (const p of o.properties) Object.assign(out, { [p.id]: p.value });
  }
  return out;
}
