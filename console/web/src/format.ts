// Numbers have three significant digits and a unit after a thin space.
const minus = "\u2212";
const thin = "\u202f";

function digits(v: number): string {
  const a = Math.abs(v);
  if (a === 0) return "0";
  const n = a >= 100 ? 0 : a >= 10 ? 1 : 2;
  return v.toFixed(n).replace("-", minus);
}

export function seconds(s: number | undefined | null): string {
  if (s === undefined || s === null || !isFinite(s)) return "–";
  const a = Math.abs(s);
  if (a === 0) return `0${thin}ms`;
  if (a < 1e-3) return `${(s * 1e6).toFixed(0).replace("-", minus)}${thin}µs`;
  if (a < 1) return `${digits(s * 1e3)}${thin}ms`;
  if (a < 120) return `${digits(s)}${thin}s`;
  if (a < 7200) return `${digits(s / 60)}${thin}min`;
  return `${digits(s / 3600)}${thin}h`;
}

export const micros = (us: number | undefined | null): string => seconds(us === undefined || us === null ? us : us / 1e6);
export const millis = (ms: number | undefined | null): string => seconds(ms === undefined || ms === null ? ms : ms / 1e3);
export const signed = (text: string): string => (text.startsWith(minus) || text === "–" || text.startsWith("0") && !text.startsWith("0.") ? text : `+${text}`);

export function percent(v: number | undefined | null): string {
  if (v === undefined || v === null || !isFinite(v)) return "–";
  const p = v * 100;
  const n = Math.abs(p) >= 10 || p === 0 ? 0 : Math.abs(p) >= 1 ? 1 : 2;
  return `${p.toFixed(n).replace("-", minus)}${thin}%`;
}

// objective writes the target of an objective as it is: 0.9995 is 99.95 %.
export const objective = (v: number): string => `${Number((v * 100).toFixed(6))}${thin}%`;

export function rate(v: number): string {
  if (v === 0) return "0/s";
  return `${v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2)}/s`;
}

export function count(v: number): string {
  const a = Math.abs(v);
  if (a >= 1e9) return `${digits(v / 1e9)}${thin}G`;
  if (a >= 1e6) return `${digits(v / 1e6)}${thin}M`;
  if (a >= 1e4) return `${digits(v / 1e3)}${thin}k`;
  return Number.isInteger(v) ? String(v).replace("-", minus) : digits(v);
}

export function bytes(v: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  let a = v;
  while (Math.abs(a) >= 1024 && i < units.length - 1) {
    a /= 1024;
    i++;
  }
  return `${digits(a)}${thin}${units[i]}`;
}

export function clock(ms: number, precise = false): string {
  const d = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return precise ? `${text}.${String(d.getMilliseconds()).padStart(3, "0")}` : text;
}

export function ago(ms: number): string {
  const s = Math.max(0, (Date.now() - ms) / 1000);
  if (s < 2) return "now";
  if (s < 60) return `${s.toFixed(0)}${thin}s ago`;
  if (s < 3600) return `${(s / 60).toFixed(0)}${thin}min ago`;
  if (s < 86400) return `${(s / 3600).toFixed(0)}${thin}h ago`;
  return `${(s / 86400).toFixed(0)}${thin}d ago`;
}

// shortOperation drops the package of an RPC method.
export const shortOperation = (op: string): string => op.replace(/^[\w.]+\.(\w+\/\w+)$/, "$1");
