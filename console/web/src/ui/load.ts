// Load is the state of what useLoad loads. After a failed reload it has both the last data
// and the error.
export interface Load<T> {
  key: string;
  data?: T;
  at?: number; // milliseconds since 1970 at which the data arrived
  error?: Error;
  loading: boolean;
}

// started begins to load. What is shown for the same key stays until the answer.
export function started<T>(s: Load<T>, key: string): Load<T> {
  return s.key === key && s.data !== undefined ? { ...s, loading: true } : { key, loading: true };
}

// answered takes an answer.
export const answered = <T>(key: string, data: T, at: number): Load<T> => ({ key, data, at, loading: false });

// failed takes an error. The last data for the same key stays.
export function failed<T>(s: Load<T>, key: string, error: Error): Load<T> {
  return s.key === key && s.data !== undefined ? { ...s, error, loading: false } : { key, error, loading: false };
}
