import { useState } from "preact/hooks";
import { act, RequestError, token } from "../api";

// Unlock asks for the token, once per tab.
export function Unlock({ onDone }: { onDone: () => void }) {
  const [value, setValue] = useState("");
  const [error, setError] = useState("");
  const submit = async (e: Event) => {
    e.preventDefault();
    token.set(value.trim());
    try {
      await act("POST /api/token");
      onDone();
    } catch (err) {
      token.clear();
      setError(err instanceof RequestError && err.status === 401 ? "The token is wrong." : (err as Error).message);
    }
  };
  return (
    <form class="unlock" onSubmit={submit}>
      <label>
        Token
        <input type="password" name="token" autocomplete="off" spellcheck={false} value={value} placeholder="from .tenhop/up.json"
          onInput={(e) => setValue(e.currentTarget.value)} />
      </label>
      <button class="primary" disabled={!value.trim()}>Unlock</button>
      <p class="hint">
        Actions change the storefront and require the token: <code>jq -r .token .tenhop/up.json</code>. The tab keeps it until it is closed.
      </p>
      {error && <p class="bad" role="alert">{error}</p>}
    </form>
  );
}

export function useUnlocked(): [boolean, () => void, () => void] {
  const [ok, set] = useState(token.get() !== "");
  return [ok, () => set(true), () => { token.clear(); set(false); }];
}
