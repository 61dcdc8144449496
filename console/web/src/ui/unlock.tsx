import { useState } from "preact/hooks";
import { act, RequestError, token } from "../api";

// Unlock asks for the token once a tab.
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
      setError(err instanceof RequestError && err.status === 401 ? "That is not the token." : (err as Error).message);
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
        Actions change the storefront, so they need the token: <code>jq -r .token .tenhop/up.json</code>. It stays in this tab.
      </p>
      {error && <p class="bad" role="alert">{error}</p>}
    </form>
  );
}

export function useUnlocked(): [boolean, () => void, () => void] {
  const [ok, set] = useState(token.get() !== "");
  return [ok, () => set(true), () => { token.clear(); set(false); }];
}
