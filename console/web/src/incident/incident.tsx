import type { ComponentChildren } from "preact";
import { get } from "../api";
import { clock, shortOperation } from "../format";
import type { Diagnosis, IncidentView as Stored } from "../types";
import { RunbookLink } from "../ui/runbooks";
import { CopyLink } from "../ui/share";
import { Failure, Loading, Stale, useLoad, useRefresh } from "../ui/state";
import { Verdict } from "../diagnose/diagnose";
import { Findings } from "../diagnose/findings";
import { Doubts } from "../diagnose/notices";
import { Quantiles } from "../diagnose/quantiles";
import { between, changed, deployed, end } from "../diagnose/words";
import { after, brief, day, felt, lasted, place, reasons, traffic } from "./words";

const again = 5000; // milliseconds, while it is open

// IncidentView shows an incident in one screen. All of it is stored, so that the address
// is valid when metrics and traces are gone.
export function IncidentView({ id }: { id: string }) {
  const loaded = useLoad(id, (signal) => get("GET /api/incidents/{id}", {}, signal, { id }));
  const { data, at, error, reload } = loaded;
  useRefresh(loaded, again, data?.incident.state === "open");
  if (error && !data) return <Failure error={error} retry={reload} />;
  if (!data) return <Loading what="the incident" />;
  const d = data.diagnosis ?? undefined;
  return (
    <article class="incident">
      {error && <Stale error={error} at={at} />}
      <Head v={data} d={d} />
      <section class="card" aria-label="What is known">
        <dl class="known">
          <Fact name="Customers feel">{d?.entry.operation ? felt(d) : "not known yet"}</Fact>
          <Fact name="Since"><Since v={data} /></Fact>
          {d ? <Suspect d={d} sure={data.incident.sure} /> : <Fact name="Which hop">{data.problem ? `not known: the diagnosis failed: ${data.problem}` : "not known yet"}</Fact>}
          {d && <Fact name="What changed"><Changed d={d} /></Fact>}
          <Fact name="What to do"><ToDo v={data} d={d} /></Fact>
        </dl>
      </section>
      <div class="twocards">
        <Timeline v={data} />
        <Alerts v={data} />
      </div>
      {d && d.findings.length > 0 && <Findings d={d} />}
      {d && (d.quantiles ?? []).length > 0 && <Quantiles bands={d.quantiles!} />}
    </article>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

function Head({ v, d }: { v: Stored; d: Diagnosis | undefined }) {
  return (
    <section class={`card verdict ${d?.verdict ?? "unsure"}`}>
      <div class="incidenthead">
        <span class={`state ${v.incident.state}`}>{v.incident.state === "open" ? "open" : "over"}</span>
        <a class="noprint" href="/incidents">All incidents</a>
        <span class="right noprint">
          <CopyLink address={location.href} />
          <button onClick={() => print()}>Print</button>
        </span>
      </div>
      <h1>{d ? <Verdict d={d} /> : v.incident.headline}</h1>
      {d?.why && d.findings.length > 0 && <p>{d.why}</p>}
      {v.note && <p>{v.note}</p>}
      {d && <ul class="notices"><Doubts d={d} /></ul>}
    </section>
  );
}

function Since({ v }: { v: Stored }) {
  const began = Date.parse(v.incident.began);
  const length = lasted(v.incident.began, v.incident.recovered ?? new Date().toISOString());
  return (
    <>
      <time dateTime={v.incident.began}>{day(v.incident.began)} {clock(began)}</time>
      {v.incident.recovered ? `; it lasted ${brief(length)}` : `; ${brief(length)} so far`}
    </>
  );
}

function Suspect({ d, sure }: { d: Diagnosis; sure: boolean }) {
  const f = d.findings[0];
  if (!f) return <Fact name="Which hop">not known: {d.why || "nothing stands out"}</Fact>;
  const why = reasons(f);
  const quote = f.quotes?.[0];
  const trace = f.exemplars[0] ?? quote?.trace_id;
  return (
    <>
      <Fact name="Which hop"><b>{place(f)}</b>{f.operation && ` in ${shortOperation(f.operation)}`}{f.instance && `, instance ${f.instance} alone`}{end(f)}{!sure && " (not sure)"}</Fact>
      <Fact name="Why">{why.length > 0 ? <>{f.cause?.kind === "unknown" && "Not known. "}{why[0]}{why.length > 1 && <details><summary>{why.length - 1} more</summary><ul>{why.slice(1).map((w) => <li key={w}>{w}</li>)}</ul></details>}</> : "nothing that was looked at says why"}</Fact>
      {quote && <Fact name="It says"><q>{quote.text}</q> <span class="dim">{quote.source}{quote.trace_id && <> of <a class="mono" href={`/trace/${quote.trace_id}`}>{quote.trace_id.slice(0, 8)}</a></>}</span></Fact>}
      {trace && <Fact name="One request"><a class="mono" href={`/trace/${trace}`}>{trace}</a> <span class="dim">as long as its trace is kept</span></Fact>}
    </>
  );
}

// Changed lists deployments, the instance and the traffic.
function Changed({ d }: { d: Diagnosis }) {
  const deploys = d.deploys ?? [];
  const flow = traffic(d);
  const top = d.findings[0];
  return (
    <ul>
      {deploys.length === 0 && <li>no other version was seen</li>}
      {deploys.map((x) => <li key={x.service + x.version}><b>{x.service}</b> {deployed(x, changed(d))}</li>)}
      {top?.instance && <li>only instance {top.instance} of <b>{top.hop}</b></li>}
      {flow && <li>{flow}</li>}
    </ul>
  );
}

function ToDo({ v, d }: { v: Stored; d: Diagnosis | undefined }) {
  const entry = d?.entry.operation;
  return (
    <ul>
      {v.runbooks.map((b) => <li key={b.url}><RunbookLink of={b} /></li>)}
      {v.incident.state === "open" && <li><a href={entry ? `/diagnose?entry=${encodeURIComponent(entry)}` : "/diagnose"}>diagnose it again now</a></li>}
      {v.runbooks.length === 0 && v.incident.state !== "open" && <li>its rules name no runbook</li>}
    </ul>
  );
}

interface Moment { at: string; text: string; kind: string }

function Timeline({ v }: { v: Stored }) {
  const i = v.incident;
  const moments: Moment[] = [
    { at: i.began, text: "began", kind: "began" },
    ...(i.alerted !== i.paged ? [{ at: i.paged, text: "found by tenhop before an alert", kind: "paged" }] : []),
    ...(i.alerted ? [{ at: i.alerted, text: "first alert", kind: "paged" }] : []),
    ...(i.named ? [{ at: i.named, text: "cause named", kind: "named" }] : []),
    ...(i.recovered ? [{ at: i.recovered, text: "last alert resolved", kind: "recovered" }] : []),
    ...v.said.map((s) => ({ at: s.at, text: `posted: ${s.text}`, kind: "said" })),
  ];
  moments.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return (
    <section class="card" aria-label="Timeline">
      <div class="cardhead"><h2>Timeline</h2>{v.diagnosis && <span class="dim">evidence {between(changed(v.diagnosis))}</span>}</div>
      <ol class="moments">
        {moments.map((m) => (
          <li key={m.kind + m.at + m.text} class={m.kind}>
            <time dateTime={m.at}>{clock(Date.parse(m.at))}</time><span class="dim">{after(i.began, m.at)}</span><span>{m.text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Alerts({ v }: { v: Stored }) {
  return (
    <section class="card" aria-label="Alerts">
      <div class="cardhead"><h2>Alerts</h2><span class="dim">{v.incident.alerts}</span></div>
      <ul class="alertlist">
        {v.alerts.map((a) => (
          <li key={a.name + a.place + a.starts_at}>
            <b>{a.looked ? "found before an alert" : a.name}</b> {a.place}
            <span class="dim"> {clock(Date.parse(a.starts_at))} – {a.ends_at ? clock(Date.parse(a.ends_at)) : "now"}</span>
          </li>
        ))}
        {v.more_alerts > 0 && <li class="dim">and {v.more_alerts} more</li>}
      </ul>
    </section>
  );
}
