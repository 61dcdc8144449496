import type { Runbook } from "../types";

// RunbookLink is a link to what to do.
export const RunbookLink = ({ of }: { of: Runbook }) => <a href={of.url} rel="noreferrer" target="_blank">runbook {of.name}</a>;
