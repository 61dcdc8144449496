import { get } from "../api";
import { Scroll } from "../ui/scroll";
import { Failure, Loading, useLoad } from "../ui/state";

// ProtocolsView shows one call made in several ways, as `make protocols` has measured it.
export function ProtocolsView() {
  const { data, error, reload } = useLoad("protocols", (signal) => get("GET /api/protocols", {}, signal));
  if (error) return <Failure error={error} retry={reload} />;
  if (!data) return <Loading what="the comparison" />;
  return (
    <section class="card protocols" aria-label="REST, gRPC or a broker">
      <div class="cardhead"><h1>REST, gRPC or a broker</h1></div>
      <p class="dim">One call between two services on one machine. {data.measured}</p>
      {data.doubt && <p class="warn-text" role="note">{data.doubt}</p>}
      <Scroll name="Comparison">
        <table>
          <thead><tr>{data.columns.map((c, i) => <th key={i}>{c}</th>)}</tr></thead>
          <tbody>{data.rows.map((r) => <tr key={r[0]}>{r.map((cell, i) => <td key={i}>{cell}</td>)}</tr>)}</tbody>
        </table>
      </Scroll>
      <p class="dim">These are recorded figures, not those of what runs here. <code>make protocols</code> measures again.</p>
    </section>
  );
}
