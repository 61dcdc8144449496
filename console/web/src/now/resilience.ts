import { rate } from "../format";
import type { Edge } from "../types";

// resilience returns what becomes of the calls of an edge besides being made once, what
// matters most first.
export function resilience(e: Edge): string[] {
  const out: string[] = [];
  const refused = e.refused ?? {};
  if (e.breaker) out.push(`breaker ${e.breaker}${refused["breaker"] ? `: ${rate(refused["breaker"])} not made` : ""}`);
  else if (refused["breaker"]) out.push(`breaker was open: ${rate(refused["breaker"])} not made`);
  if (refused["bulkhead"]) out.push(`bulkhead full: ${rate(refused["bulkhead"])} not made`);
  if (refused["deadline"]) out.push(`no time left: ${rate(refused["deadline"])} not made`);
  if (e.retries) out.push(`${rate(e.retries)} made again`);
  return out;
}
