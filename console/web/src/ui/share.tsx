import { useEffect, useRef, useState } from "preact/hooks";

// CopyLink copies an address. A page that was not opened over https or from this machine may
// not write to the clipboard; the address is shown there instead, selected.
export function CopyLink({ address }: { address: string }) {
  const [done, setDone] = useState({ what: "", of: "" });
  const shown = useRef<HTMLInputElement>(null);
  const what = done.of === address ? done.what : "";
  useEffect(() => shown.current?.select(), [what]);
  const copy = () => {
    const written = navigator.clipboard ? navigator.clipboard.writeText(address) : Promise.reject(new Error("no clipboard"));
    written.then(() => setDone({ what: "copied", of: address }), () => setDone({ what: "shown", of: address }));
  };
  if (what === "shown") return <input class="share noprint" readOnly aria-label="Link to copy" value={address} ref={shown} />;
  return <button class="noprint" onClick={copy}>{what === "copied" ? "Copied" : "Copy link"}</button>;
}
