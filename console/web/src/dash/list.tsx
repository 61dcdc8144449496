import { get } from "../api";
import { Empty, Failure, Loading, useLoad } from "../ui/state";

export function DashboardList() {
  const { data, error, reload } = useLoad("dashboards", (signal) => get("GET /api/dashboards", {}, signal));
  if (error) return <Failure error={error} retry={reload} />;
  if (!data) return <Loading what="dashboards" />;
  if (data.length === 0) return <Empty title="No dashboards">The console was started without dashboards.</Empty>;
  return (
    <div class="dashlist">
      {data.map((d) => (
        <a class="card" key={d.uid} href={`/d/${encodeURIComponent(d.uid)}`}><h2>{d.title}</h2><p>{d.description}</p><p class="dim">{d.panels} panels</p></a>
      ))}
      <a class="card" href="/protocols"><h2>REST, gRPC or a broker</h2><p>One call between two services, made in several ways</p><p class="dim">as it was measured</p></a>
    </div>
  );
}
