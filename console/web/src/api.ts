// Every request of the page goes to its own server. An error has the server's
// message, which says what to do.
import type { Answers, APIError, Bodies } from "./types";

export class RequestError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

const tokenKey = "tenhop-token";

// The token is kept in the tab and never in a URL.
export const token = {
  get: (): string => sessionStorage.getItem(tokenKey) ?? "",
  set: (value: string): void => sessionStorage.setItem(tokenKey, value),
  clear: (): void => sessionStorage.removeItem(tokenKey),
};

export type Query = Record<string, string | number | undefined> | URLSearchParams;

export function withQuery(path: string, query: Query = {}): string {
  const pairs = query instanceof URLSearchParams ? [...query] : Object.entries(query);
  const q = new URLSearchParams(pairs.flatMap(([k, v]) => (v === undefined || v === "" ? [] : [[k, String(v)]])));
  const text = q.toString();
  return text ? `${path}?${text}` : path;
}

async function send<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (e) {
    if (init.signal?.aborted) throw e;
    throw new RequestError(0, "The console does not answer. Is `tenhop up` still running?");
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) {
    throw new RequestError(response.status, (body as APIError | undefined)?.error ?? `${response.status} ${response.statusText}`);
  }
  return body as T;
}

type Reads = Extract<keyof Answers, `GET ${string}`>;
type Actions = Exclude<keyof Answers, Reads>;

// address fills the {names} of an endpoint's pattern.
export function address(route: keyof Answers, path: Record<string, string> = {}): string {
  return route.slice(route.indexOf(" ") + 1).replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ""));
}

// get reads an endpoint of the console.
export function get<R extends Reads>(route: R, query: Query = {}, signal?: AbortSignal, path: Record<string, string> = {}): Promise<Answers[R]> {
  return send(withQuery(address(route, path), query), { signal: signal ?? null });
}

// act sends an action, with the token.
export function act<R extends Actions>(route: R, ...[body]: R extends keyof Bodies ? [Bodies[R]] : []): Promise<Answers[R]> {
  const headers: Record<string, string> = { Authorization: `Bearer ${token.get()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return send(address(route), { method: route.slice(0, route.indexOf(" ")), headers, body: body === undefined ? null : JSON.stringify(body) });
}

// upstream reads the API of Prometheus or Loki, which the console passes on.
export function upstream<T>(source: `prometheus/${string}` | `loki/${string}`, parameters: Query, signal?: AbortSignal): Promise<T> {
  return send(withQuery(`/api/${source}`, parameters), { signal: signal ?? null });
}
