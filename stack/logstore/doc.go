// Package logstore finds JSON log lines in files by service, trace ID and time.
//
// It follows the *.jsonl files of a directory while they grow, are truncated or
// are replaced. In memory it keeps a summary per 64 KiB of lines: their position,
// their time range and a Bloom filter of their trace IDs. The lines stay in the
// files.
package logstore
