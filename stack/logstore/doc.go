// Package logstore reads the JSON lines that services write to files and finds
// those of a service, a trace or a time range.
//
// It follows every *.jsonl file of a directory as it grows, is cut or is
// replaced, and keeps in memory only one summary for about 64 KiB of lines:
// where they are, their time range and a Bloom filter of their trace IDs. The
// lines themselves stay in the files.
package logstore
