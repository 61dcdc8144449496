import { useState } from "preact/hooks";
import { percent, rate, seconds, shortOperation, signed } from "../format";
import { useLive } from "../live";
import type { Edge, Entry, Snapshot } from "../types";
import { Empty } from "../ui/state";
import { HopPanel } from "./hop";
import { HopTable } from "./table";
import { brokers } from "./layout";
import { ServiceMap } from "./map";
import { Alerts, Slos } from "./side";

// NowView shows the live map, alerts and objectives.
export function NowView() {
  const live = useLive();
  const [chosen, choose] = useState("");
  const [stores, showStores] = useState(false);
  const now = live.now;
  if (!now) return <Skeleton connected={live.connected} />;
  if (now.error && now.hops.length === 0) {
    return <Empty title="No metrics yet">{now.error}</Empty>;
  }
  if (now.hops.length === 0) {
    return (
      <Empty title="No hop has reported yet">
        Services appear here with their first requests. <code>tenhop load</code> makes traffic; <code>tenhop status</code> shows what runs.
      </Empty>
    );
  }
  const hop = now.hops.find((h) => h.name === chosen);
  return (
    <div class="now">
      {now.error && <div class="banner" role="alert">The map is not updated: {now.error}</div>}
      <Entries now={now} />
      <div class="columns">
        <section class="card map" aria-label="Service map">
          <div class="cardhead">
            <h2>Service map</h2>
            <Legend edges={now.edges} />
            <label class="check"><input type="checkbox" checked={stores} onChange={(e) => showStores(e.currentTarget.checked)} /> stores</label>
          </div>
          <ServiceMap now={now} stores={stores} chosen={chosen} choose={choose} />
        </section>
        <aside>
          {hop ? <HopPanel hop={hop} now={now} close={() => choose("")} /> : <><Alerts alerts={now.alerts} /><Slos slos={now.slos} /></>}
        </aside>
      </div>
      <HopTable now={now} history={live.history} chosen={chosen} choose={choose} />
    </div>
  );
}

function Skeleton({ connected }: { connected: boolean }) {
  return (
    <div class="now" aria-busy="true">
      <div class="columns"><section class="card map"><div class="cardhead"><h2>Service map</h2></div>
        <p class="loading">{connected ? "Reading metrics…" : "Connecting…"}</p></section><aside /></div>
    </div>
  );
}

function Legend({ edges }: { edges: Edge[] }) {
  return (
    <ul class="legend" aria-label="Legend">
      <li><i class="line http" />HTTP</li><li><i class="line grpc" />gRPC</li>{brokers(edges).map((name) => <li key={name}><i class="line queue" />{name}</li>)}
      <li><i class="box self" />self time</li><li><i class="box wait" />rest of p95</li><li><i class="box hot" />hot hop</li>
    </ul>
  );
}

function Entries({ now }: { now: Snapshot }) {
  const shown = now.entries.filter((e) => e.flow !== "async" || e.spiking || e.rate > 0);
  if (shown.length === 0) return null;
  return (
    <ul class="entries" aria-label="Entries against their baseline">
      {shown.map((e) => <EntryCard key={e.operation + e.flow} entry={e} />)}
    </ul>
  );
}

function EntryCard({ entry: e }: { entry: Entry }) {
  const off = e.baseline > 0 ? e.added / e.baseline : 0;
  return (
    <li class={e.spiking ? "hot" : ""}>
      <span class="op">{shortOperation(e.operation)}{e.flow === "async" && <em> to completion</em>}</span>
      <span class="big">{seconds(e.mean)}</span>
      <span class="sub">
        {e.baseline > 0
          ? e.spiking
            ? <b>{signed(seconds(e.added))}</b>
            : <span title={`baseline ${seconds(e.baseline)}`}>{Math.abs(off) < 0.25 || Math.abs(e.added) < 0.01 ? "at baseline" : `${signed(percent(off))}`}</span>
          : <span title="A baseline needs 75 s of traffic">no baseline yet</span>}
        <span class="dim">{rate(e.rate)}</span>
      </span>
      {e.spiking && <a class="button hot" href={`/diagnose?entry=${encodeURIComponent(e.operation)}`}>Diagnose</a>}
    </li>
  );
}
