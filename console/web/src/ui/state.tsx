import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { RequestError } from "../api";

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

export interface Loaded<T> { data?: T; error?: Error; loading: boolean; reload: () => void }

// useLoad loads again when key changes. On reload the last answer stays until the next.
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, set] = useState<{ key: string; data?: T; error?: Error; loading: boolean }>({ key, loading: true });
  const [turn, again] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    set((s) => ({ key, ...(s.key === key && s.data !== undefined ? { data: s.data } : {}), loading: true }));
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) set({ key, data, loading: false });
      },
      (error: Error) => {
        if (!abort.signal.aborted) set({ key, error, loading: false });
      },
    );
    return () => abort.abort();
  }, [key, turn]);
  const current = state.key === key ? state : { loading: true };
  return { ...current, reload: () => again((n) => n + 1) };
}
