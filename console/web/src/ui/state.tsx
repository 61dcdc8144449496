import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { RequestError } from "../api";
import { clock } from "../format";
import { answered, failed, started, type Load } from "./load";

// Empty, Failure and Loading stand in for content. Each says what to do.
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty" role="status">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div class="failure" role="alert">
      <strong>{error instanceof RequestError && error.status === 404 ? "Not found" : "Failed"}</strong>
      <p>{error.message}</p>
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return <div class="loading" role="status" aria-live="polite">Loading {what}…</div>;
}

// Stale says that what is shown is not refreshed, and since when.
export function Stale({ error, at }: { error: Error; at: number | undefined }) {
  return <p class="banner" role="status">Not refreshed{at === undefined ? "" : ` since ${clock(at)}`}: {error.message}</p>;
}

export type Loaded<T> = Omit<Load<T>, "key"> & { reload: () => void };

// useLoad loads again when key changes. On reload the last answer stays until the next; if
// the reload fails, it stays beside the error.
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, set] = useState<Load<T>>({ key, loading: true });
  const [turn, again] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    set((s) => started(s, key));
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) set(answered(key, data, Date.now()));
      },
      (error: Error) => {
        if (!abort.signal.aborted) set((s) => failed(s, key, error));
      },
    );
    return () => abort.abort();
  }, [key, turn]);
  const current: Omit<Load<T>, "key"> = state.key === key ? state : { loading: true };
  return { ...current, reload: () => again((n) => n + 1) };
}

// useRefresh loads again some milliseconds after each answer or error, while on is set. A
// slow answer is not cut short by the next request.
export function useRefresh({ loading, reload }: Pick<Loaded<unknown>, "loading" | "reload">, every: number, on: boolean): void {
  useEffect(() => {
    if (!on || loading) return;
    const t = setTimeout(reload, every);
    return () => clearTimeout(t);
  }, [on, loading]);
}
