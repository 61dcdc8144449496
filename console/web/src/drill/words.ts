import type { DrillRecord, DrillRound } from "../types";

// wrong names the parts of a round's answer that are wrong, as drill.Round.Wrong does. A part
// that the fault does not have, such as an instance, is not set.
export function wrong(r: DrillRound): string[] {
  const parts: [string, boolean | undefined][] = [["hop", r.right_hop], ["operation", r.right_operation], ["kind", r.right_kind],
    ["instance", r.right_instance], ["cause", r.right_cause], ["attribute", r.right_attribute]];
  return parts.filter(([, right]) => right === false).map(([name]) => name);
}

// isRight mirrors drill.Round.Right.
export const isRight = (r: DrillRound): boolean => wrong(r).length === 0;

// counts reports whether a round counts. One that is void does not.
export const counts = (r: DrillRound): boolean => !r.void;

// Mark is the result of a round in a word or two, with its reason.
export interface Mark { kind: "yes" | "no" | "void"; text: string; why: string }

export function mark(r: DrillRound): Mark {
  const parts = wrong(r);
  if (!counts(r)) return { kind: "void", text: "void", why: r.void! };
  if (parts.length === 0) return { kind: "yes", text: "right", why: "" };
  const why = `not ${parts.join(", ")}`;
  if (r.half) return { kind: "no", text: "half right", why: `one of the faults is named; ${why}` };
  if (r.gave_up) return { kind: "no", text: "given up", why };
  if (r.seconds.answered === null) return { kind: "no", text: "no answer", why: r.error ?? "" };
  return { kind: "no", text: parts.includes("hop") ? "wrong" : "not quite", why };
}

// score says how many of the rounds that count are right.
export function score(history: DrillRecord[]): string {
  const all = history.map((e) => e.round).filter(counts);
  const void_ = history.length - all.length;
  return `${all.filter(isRight).length} of ${all.length} right${void_ > 0 ? `; ${void_} void` : ""}`;
}

// injected names the faults of a round: the hops that had to be named, if there are several.
export function injected(r: DrillRound): { hop: string; operation: string; kind: string } {
  const { fault } = r;
  const expected = fault.expect ?? [];
  const latency = fault.latency ? ` +${fault.latency}` : "";
  if (expected.length > 1) {
    return { hop: expected.map((e) => e.hop).join(" and "), operation: expected.map((e) => e.operation ?? "any").join(" and "),
      kind: (fault.injected ?? []).map((f) => f.kind + (f.latency ? ` +${f.latency}` : "")).join(" and ") || fault.kind };
  }
  return { hop: fault.hop || "no hop", operation: fault.operation, kind: fault.kind + latency };
}
