import { get } from "../api";
import { clock, shortOperation } from "../format";
import type { IncidentList, IncidentSummary } from "../types";
import { Empty, Failure, Loading, Stale, useLoad, useRefresh } from "../ui/state";
import { after, brief, day, lasted, trend } from "./words";

const again = 5000; // milliseconds

// IncidentsView lists the incidents: the open ones, then the closed ones, newest first.
export function IncidentsView() {
  const loaded = useLoad("incidents", (signal) => get("GET /api/incidents", {}, signal));
  const { data, at, error, reload } = loaded;
  useRefresh(loaded, again, true);
  if (error && !data) return <Failure error={error} retry={reload} />;
  if (!data) return <Loading what="incidents" />;
  if (data.incidents.length === 0) {
    return (
      <>
        <h1 class="sr">Incidents</h1>
        {error && <Stale error={error} at={at} />}
        <Empty title={data.watched ? "No incident so far" : "Incidents are not watched"}>
          <code>tenhop up --watch</code> or <code>tenhop watch</code> diagnoses alerts; what it posts is listed here.
        </Empty>
      </>
    );
  }
  const open = data.incidents.filter((i) => i.state === "open");
  const closed = data.incidents.filter((i) => i.state !== "open");
  return (
    <div class="incidents">
      <h1 class="sr">Incidents</h1>
      {error && <Stale error={error} at={at} />}
      <Means data={data} />
      <section class="card" aria-label="Incidents">
        <div class="cardhead"><h2>Incidents</h2><span class="dim">{data.open} open, {data.closed} closed</span></div>
        <ul class="incidentlist">{[...open, ...closed].map((i) => <Row key={i.id} i={i} />)}</ul>
        {closed.length < data.closed && <p class="hint">Of the closed incidents the newest {closed.length} are listed.</p>}
      </section>
    </div>
  );
}

function Means({ data }: { data: IncidentList }) {
  const times: [string, string, number | null, (i: IncidentSummary) => string | null][] = [
    ["MTTD", "until it is noticed", data.mttd_seconds, (i) => i.paged],
    ["MTTN", "until the cause is named", data.mttn_seconds, (i) => i.named],
    ["MTTR", "until it is over", data.mttr_seconds, (i) => i.recovered],
  ];
  return (
    <ul class="means" aria-label="Mean times from the beginning">
      {times.map(([name, what, value, to]) => (
        <li key={name} class="card">
          <span class="what">Mean time {what} <abbr class="dim" title={`mean time ${what}`}>{name}</abbr></span>
          <b>{value === null ? "–" : brief(value)}</b>
          <span class="dim">{value === null ? "no incident has it yet" : trend(data.incidents, to)}</span>
          <Bars list={data.incidents} to={to} name={name} />
        </li>
      ))}
    </ul>
  );
}

const bars = 30;

// Bars charts a time of each incident, oldest first.
function Bars({ list, to, name }: { list: IncidentSummary[]; to: (i: IncidentSummary) => string | null; name: string }) {
  const shown = [...list].reverse().slice(-bars).map((i) => ({ i, s: lasted(i.began, to(i)) })).filter((x) => x.s !== undefined);
  if (shown.length < 2) return null;
  const top = Math.max(...shown.map((x) => x.s!), 1e-9);
  return (
    <div class="trend" role="img" aria-label={`${name} of each incident, oldest first: ${shown.map((x) => brief(x.s)).join(", ")}`}>
      {shown.map(({ i, s }) => <i key={i.id} title={`${i.place}: ${brief(s)}`} ref={(el) => { if (el) el.style.height = `${(100 * s!) / top}%`; }} />)}
    </div>
  );
}

function Row({ i }: { i: IncidentSummary }) {
  return (
    <li class={i.state}>
      <span class={`state ${i.state}`}>{i.state === "open" ? "open" : "over"}</span>
      <a class="name" href={`/incidents/${i.id}`}>{shortOperation(i.place) || "no suspect"}</a>
      <span class="when">{day(i.began)} {clock(Date.parse(i.began))}</span>
      <span class="what">{i.sure && i.headline.startsWith(`${i.place}: `) ? i.headline.slice(i.place.length + 2) : i.headline}</span>
      <span class="times"><span>{i.alerted === i.paged ? "alert" : "found"} {after(i.began, i.paged)}</span><span>{i.named ? `cause ${after(i.began, i.named)}` : "no cause"}</span><span>{i.recovered ? `over ${after(i.began, i.recovered)}` : "not over"}</span></span>
    </li>
  );
}
