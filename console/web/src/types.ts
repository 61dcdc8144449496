// What the server sends; see package console.
export interface Config { prometheus: boolean; jaeger: boolean; loki: boolean; actions: boolean; scrape_seconds: number }

export interface Operation { name: string; rate: number; errors: number; p95?: number; self?: number }
export interface Hop {
  name: string; kind: "service" | "store"; rate: number; errors: number; p95?: number; self?: number;
  added?: number; share?: number; hot?: boolean; why?: string; operations: Operation[];
}
export interface Edge { from: string; to: string; kind: string; topic?: string; rate: number; mean?: number; hot?: boolean }
export interface Entry { operation: string; flow: string; rate: number; mean: number; baseline: number; added: number; spiking: boolean }
export interface Slo { name: string; service: string; objective: number; errors: number; burn_fast: number; burn_slow: number }
export interface Alert {
  name: string; state: string; severity: string; summary: string; since: string; labels: Record<string, string>;
  runbook?: string; dashboard?: string; traces?: string;
}
export interface Snapshot {
  at: string; took_ms: number; error?: string; hops: Hop[]; edges: Edge[]; entries: Entry[]; slos: Slo[]; alerts: Alert[];
}

export interface Range { from: string; to: string }
export interface Failing { baseline: number; now: number; type?: string }
export interface Finding {
  rank: number; hop: string; operation: string; kind: string; target?: string; baseline_ms: number; now_ms: number; added_ms: number;
  share: number; interval: [number, number]; counterfactual_ms: number; operations?: { operation: string; added_ms: number }[];
  attributes: { key: string; value: string; lift: number }[] | null; exemplars: string[] | null; errors?: Failing;
}
export interface Diagnosis {
  verdict: "spike" | "errors" | "none" | "unsure"; why?: string;
  entry: { service: string; operation: string; flow?: string; added_ms?: number };
  other_entries: { service: string; operation: string; flow?: string; added_ms?: number }[] | null;
  baseline_ms: number; now_ms: number; added_ms: number; p95: { baseline_ms: number; now_ms: number };
  window: Range; baseline: Range; requests: { baseline: number; now: number }; findings: Finding[]; errors?: Failing;
  sources: { name: string; ok: boolean; error?: string; read: number; took_ms: number }[] | null; took_ms: number;
}

export type Field = [string, string];
export type Segment = [number, number];
export interface Span {
  id: string; parent: number; depth: number; service: string; operation: string; kind: string; peer?: string;
  start: number; duration: number; failed?: boolean; tags: Field[]; resource?: Field[]; events?: { at: number; fields: Field[] }[];
  self: number; busy: Segment[]; critical?: Segment[]; queue?: { kind: string; from: number; to: number };
}
export interface TraceService { name: string; spans: number; self: number; failed?: number }
export interface Trace {
  trace_id: string; start: number; duration: number; correlation_id?: string; roots: number; services: TraceService[]; spans: Span[];
}
export interface Found {
  trace_id: string; service: string; operation: string; start: number; duration: number; root: number; spans: number; failed: number;
  services: TraceService[]; slowest: string;
}
export interface LogLine { at: number; service: string; level: string; span_id?: string; message: string; fields: Record<string, unknown> }
export interface Spent { time: number; count: number }
export interface CompareRow { service: string; operation: string; kind: string; target?: string; a: Spent; b: Spent; delta: number }
export interface Side { trace_id?: string; service: string; operation: string; traces: number; start?: number; duration: number }
export interface Comparison { a: Side; b: Side; rows: CompareRow[] }

export interface Round {
  fault: { kind: string; hop: string; operation: string; latency?: string };
  answer: { findings?: { hop: string; operation: string; kind: string }[] } | null;
  right_hop: boolean; right_operation: boolean; right_kind: boolean;
  seconds: { moved: number | null; alerted: number | null; answered: number | null; lifted: number | null; recovered: number | null };
  error?: string;
}
export interface DrillEntry { at: string; round: Round; proof?: Diagnosis }
export interface DrillState { phase: "idle" | "quiet" | "search" | "recovery"; said?: string; started?: string; error?: string; history: DrillEntry[] }

export interface DashboardInfo { uid: string; title: string; description: string; tags: string[] | null; panels: number }
