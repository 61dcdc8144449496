package explain

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
)

// LogLine is a line that a service logged while it handled the request of a trace.
type LogLine struct {
	TraceID, Service string
	Level            string // empty if only the text has it
	Text             string // plain, logfmt or a JSON object
}

// Logs adds to the quotes of each finding the lines of its hop that are warnings or
// errors, as Quotes does. slow and normal are the lines of as many traces as
// slowTraces and normalTraces.
func Logs(found []result.Finding, slow, normal []LogLine, slowTraces, normalTraces int) {
	for i := range found {
		f := &found[i]
		now, before := lineTexts(f.Hop, slow, slowTraces), lineTexts(f.Hop, normal, normalTraces)
		more := quotes(now, before)
		if len(more) == 0 {
			continue
		}
		// One of each, if there are texts of spans as well.
		f.Quotes = append(f.Quotes[:min(len(f.Quotes), maxQuotes-1)], more...)
		f.Quotes = f.Quotes[:min(len(f.Quotes), maxQuotes)]
	}
}

// lineTexts counts the lines of a service among those of traces.
func lineTexts(service string, lines []LogLine, traces int) texts {
	all := texts{found: map[string]*said{}}
	counted := map[[2]string]bool{} // trace and template
	for _, l := range lines {
		message, level := l.message()
		if l.Service != service || !alarming(level, message) {
			continue
		}
		k := template(message)
		if counted[[2]string{l.TraceID, k}] {
			continue
		}
		counted[[2]string{l.TraceID, k}] = true
		all.traces++ // each text once per trace
		all.add(result.QuoteLog, message, l.TraceID)
	}
	all.traces = max(traces, 1)
	return all
}

// message returns the message and the level of a line.
func (l LogLine) message() (message, level string) {
	message, level = l.Text, l.Level
	var fields map[string]any
	if !strings.HasPrefix(strings.TrimSpace(l.Text), "{") || json.Unmarshal([]byte(l.Text), &fields) != nil {
		return message, level
	}
	text := func(keys ...string) string {
		for _, k := range keys {
			if s, ok := fields[k].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	if s := text("level", "severity", "severity_text", "lvl", "log.level"); level == "" {
		level = s
	}
	if s := text("message", "msg", "body", "event"); s != "" {
		message = s
	}
	if s := text("error", "err", "exception.message", "exception"); s != "" && !strings.Contains(message, s) {
		message += ": " + s
	}
	return message, level
}

// alarm matches the level of a warning or an error in a text.
var alarm = regexp.MustCompile(`(?i)\b(warn(ing)?|err(or)?|fatal|critical|panic|severe)\b`)

// alarming reports whether a line is a warning or an error.
func alarming(level, message string) bool {
	if level != "" {
		return alarm.MatchString(level)
	}
	return alarm.MatchString(message)
}
