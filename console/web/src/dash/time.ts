// Times is a range in seconds since 1970. scrape is the scrape interval in seconds, if known.
export interface Times { from: number; to: number; scrape?: number }

const unit: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

export function resolve(text: string, now: number): number {
  const m = /^now(?:-(\d+)([smhdw]))?$/.exec(text.trim());
  if (m) return now - (m[1] ? Number(m[1]) * unit[m[2]!]! : 0);
  const n = Number(text);
  if (isFinite(n) && n > 0) return n > 1e11 ? n / 1000 : n;
  const d = Date.parse(text);
  return isNaN(d) ? now - 900 : d / 1000;
}

export function times(from: string, to: string): Times {
  const now = Math.floor(Date.now() / 1000);
  return { from: resolve(from, now), to: resolve(to, now) };
}

export const refreshes: Record<string, number> = { off: 0, "5s": 5, "10s": 10, "30s": 30, "1m": 60 };
export const ranges: [string, string][] = [["now-5m", "5 minutes"], ["now-15m", "15 minutes"], ["now-1h", "hour"], ["now-3h", "3 hours"], ["now-6h", "6 hours"], ["now-1d", "day"]];

// stepFor returns a step, in seconds, for about 250 points per panel.
export function stepFor(t: Times): number {
  const raw = (t.to - t.from) / 250;
  return [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600].find((s) => s >= raw) ?? 86400;
}
