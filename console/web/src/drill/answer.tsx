import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { kinds } from "../diagnose/words";
import { shortOperation } from "../format";
import type { DrillAnswer, DrillChoices } from "../types";

// AnswerForm offers all hops of the entry.
export function AnswerForm({ send }: { send: (answer: DrillAnswer) => Promise<void> }) {
  const [choices, setChoices] = useState<DrillChoices>();
  const [error, setError] = useState("");
  const [hop, setHop] = useState("");
  const [operation, setOperation] = useState("");
  const [kind, setKind] = useState("");
  useEffect(() => {
    get("GET /api/drill/choices").then(setChoices, (e: Error) => setError(e.message));
  }, []);
  if (error) return <p class="bad">{error}</p>;
  if (!choices) return <p class="dim">Reading the hops…</p>;
  const operations = choices.hops[hop] ?? [];
  const submit = (e: Event) => {
    e.preventDefault();
    void send({ hop, operation, kind });
  };
  return (
    <form class="answer" onSubmit={submit}>
      <label>Hop
        <select name="hop" value={hop} required onChange={(e) => { const h = e.currentTarget.value; setHop(h); setOperation((choices.hops[h] ?? []).length === 1 ? choices.hops[h]![0]! : ""); }}>
          <option value="">which one is slower?</option>{Object.keys(choices.hops).sort().map((h) => <option key={h}>{h}</option>)}
        </select>
      </label>
      <label>Operation
        <select name="operation" value={operation} required disabled={!hop} onChange={(e) => setOperation(e.currentTarget.value)}>
          <option value="">which of its operations?</option>{operations.map((o) => <option key={o} value={o}>{shortOperation(o)}</option>)}
        </select>
      </label>
      <label>Kind
        <select name="kind" value={kind} required onChange={(e) => setKind(e.currentTarget.value)}>
          <option value="">what kind of time?</option>{choices.kinds.map((k) => <option key={k} value={k}>{kinds[k] ?? k}</option>)}
        </select>
      </label>
      <button class="primary" disabled={!hop || !operation || !kind}>Answer</button>
    </form>
  );
}
