import { useState } from "preact/hooks";
import { act } from "../api";
import { percent, rate, seconds, shortOperation } from "../format";
import type { Edge, Hop, Snapshot } from "../types";
import { resilience } from "./resilience";
import { Unlock, useUnlocked } from "../ui/unlock";

// HopPanel shows one hop: its operations, its neighbours and a form for a fault.
export function HopPanel({ hop: h, now, close }: { hop: Hop; now: Snapshot; close: () => void }) {
  const calls = now.edges.filter((e) => e.from === h.name);
  const callers = now.edges.filter((e) => e.to === h.name);
  return (
    <section class="card hop" aria-label={h.name}>
      <div class="cardhead"><h2>{h.name}</h2><button class="quiet" onClick={close} aria-label="Close">✕</button></div>
      {h.why && <p class="why hot">{h.why}</p>}
      <div class="links">
        <a href={`/search?service=${encodeURIComponent(h.name)}`}>traces</a>
        <a href={`/search?service=${encodeURIComponent(h.name)}&tags=${encodeURIComponent("error=true")}`}>failed traces</a>
        <a href={`/d/tenhop-service?var-service=${encodeURIComponent(h.name)}`}>dashboard</a>
      </div>
      {h.operations.length > 0 && (
        <table>
          <thead><tr><th>operation</th><th class="num">rate</th><th class="num">p95</th><th class="num" title="Mean time without the calls it waits for">self</th><th class="num" title="Share of the requests that fail">err</th></tr></thead>
          <tbody>
            {h.operations.map((o) => (
              <tr key={o.name}>
                <td><a href={`/search?service=${encodeURIComponent(h.name)}&operation=${encodeURIComponent(o.name)}`} title={o.name}>{shortOperation(o.name)}</a></td>
                <td class="num">{rate(o.rate)}</td><td class="num">{seconds(o.p95)}</td><td class="num">{seconds(o.self)}</td>
                <td class={`num ${o.errors > 0.01 ? "bad" : ""}`}>{percent(o.errors)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {h.shed ? <p class="why">refuses {rate(h.shed)}: too many requests are in flight</p> : null}
      <Neighbours title="waits for" edges={calls} name={(e) => (e.topic ? `${e.to} (${e.topic})` : e.to)} />
      <Neighbours title="called by" edges={callers} name={(e) => e.from} />
      <FaultForm service={h.name} />
    </section>
  );
}

function Neighbours({ title, edges, name }: { title: string; edges: Edge[]; name: (e: Edge) => string }) {
  if (edges.length === 0) return null;
  return (
    <>
      <table>
        <thead><tr><th>{title}</th><th class="num">rate</th><th class="num">mean</th></tr></thead>
        <tbody>
          {edges.map((e) => (
            <tr key={name(e)} class={e.hot ? "hot" : ""}>
              <td>{name(e)}{resilience(e).map((text) => <div key={text} class="resilience">{text}</div>)}</td>
              <td class="num">{rate(e.rate)}</td><td class="num">{seconds(e.mean)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

// FaultForm injects latency into the hop.
function FaultForm({ service }: { service: string }) {
  const [unlocked, unlock, lock] = useUnlocked();
  const [latency, setLatency] = useState("500");
  const [lasting, setLasting] = useState("2m");
  const [said, say] = useState<{ text: string; bad: boolean }>();
  const run = async (what: () => Promise<unknown>, done: string) => {
    try {
      await what();
      say({ text: done, bad: false });
    } catch (e) {
      if ((e as { status?: number }).status === 401) lock();
      say({ text: (e as Error).message, bad: true });
    }
  };
  const inject = (e: Event) => {
    e.preventDefault();
    const fault = { kind: "latency", latency: `${Number(latency)}ms`, percent: 100, for: lasting };
    void run(() => act("POST /api/faults", { service, fault }), `${service} is ${latency} ms slower for ${lasting}.`);
  };
  return (
    <details class="fault">
      <summary>Make it slower</summary>
      {!unlocked ? <Unlock onDone={unlock} /> : (
        <form onSubmit={inject}>
          <label>by <input type="number" name="latency" min="1" max="60000" required value={latency} onInput={(e) => setLatency(e.currentTarget.value)} /> ms</label>
          <label>for <select value={lasting} onChange={(e) => setLasting(e.currentTarget.value)}><option>30s</option><option>2m</option><option>10m</option></select></label>
          <button class="primary">Inject</button>
          <button type="button" onClick={() => void run(() => act("DELETE /api/faults"), "All faults are lifted.")}>Lift all</button>
        </form>
      )}
      {said && <p class={said.bad ? "bad" : "good"} role="status">{said.text}</p>}
    </details>
  );
}
