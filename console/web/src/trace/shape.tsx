import { millis, percent } from "../format";
import type { Shape } from "../types";

const changes: Record<string, string> = {
  parallel: "sequential calls side by side",
  merged: "chatty calls merged",
  parallel_merged: "both",
  one_process: "no links: one process",
};

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

// ShapeOf shows the shape of a request, as `tenhop trace --shape` does.
export function ShapeOf({ shape }: { shape: Shape }) {
  const { depth, time } = shape;
  return (
    <details class="card shape">
      <summary>
        Shape: {depth.hops} hops deep, {time.calls_on_path} calls on the critical path, {percent(time.link_share)} of the time is links
        {shape.sequential.length > 0 && `, ${plural(shape.sequential.length, "row")} of calls that follow each other`}
        {shape.chatty.length > 0 && `, ${plural(shape.chatty.length, "chatty pair")}`}
        {shape.shared_stores.length > 0 && `, ${plural(shape.shared_stores.length, "shared store")}`}
      </summary>
      <ul>
        <li>depth: {depth.path.join(" > ")}{depth.with_queues > depth.hops && `; ${depth.with_queues} hops with those behind queues`}</li>
        <li>critical path: {millis(time.work_ms)} work, {millis(time.link_ms)} links, {millis(time.other_ms)} calls without spans behind them</li>
        {shape.sequential.map((s) => (
          <li key={`${s.span_id} ${s.calls[0]?.target}`}>
            one after another (suspected: a trace does not show whether a call needs the answer of the one before): {s.count} calls of {s.service} {s.operation}, side
            by side −{millis(s.saved_ms)}
          </li>
        ))}
        {shape.chatty.map((c) => (
          <li key={`${c.service} ${c.target}`}>
            chatty: {c.service} &gt; {c.target}, {c.calls} calls{c.n_plus_one && `, ${c.per_hop} of one kind in one hop (N+1)`}; merged at most −{millis(c.saved_ms)}
          </li>
        ))}
        {shape.shared_stores.map((s) => (
          <li key={`${s.address} ${s.namespace}`}>
            shared store: {s.services.join(", ")} use {s.system} {s.namespace} at {s.address}{!s.sure && `; not sure: ${s.why}`}
          </li>
        ))}
        {shape.what_if.map((w) => <li key={w.change}>{changes[w.change]}: {millis(w.duration_ms)} instead of {millis(shape.duration_ms)}</li>)}
        {shape.notes.map((n) => <li key={n}>{n}</li>)}
      </ul>
    </details>
  );
}
