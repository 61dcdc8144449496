package render

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
)

// kinds are the kinds of own time in words.
var kinds = map[string]string{
	result.OwnRunning: "running", result.OwnRunnable: "runnable (waits for a processor)", result.OwnLock: "lock",
	result.OwnChannel: "channel (waits for another goroutine)", result.OwnSyscall: "system call", result.OwnNetwork: "network",
	result.OwnGC: "garbage collection", result.OwnSleep: "sleep (timer)", result.OwnOther: "not known",
}

// own returns the sentence before the parts of the own time.
func own(f result.Finding) string {
	w := f.Why
	return fmt.Sprintf("own time of %s in %d of %d requests slower than %s, mean %s, in a recording of %.1f s",
		cmp.Or(w.Instance, f.Hop), w.Slow, w.Requests, ms(w.SlowerThanMS), ms(w.OwnMS), w.Seconds)
}

// function returns the function of a frame without the path of its package.
func function(frame string) string {
	name, line, _ := strings.Cut(frame, " ")
	return strings.TrimSpace(name[strings.LastIndexByte(name, '/')+1:] + " " + line)
}

// where returns the stack of a part in words, and who ends its wait.
func where(p result.WhyPart) string {
	if len(p.Stack) == 0 {
		return ""
	}
	var frames []string
	for _, f := range p.Stack[:min(len(p.Stack), 3)] {
		frames = append(frames, function(f))
	}
	text := strings.Join(frames, " < ")
	if p.StackShare < 0.995 {
		text = fmt.Sprintf("%.0f %% of it in %s", 100*p.StackShare, text)
	} else {
		text = "in " + text
	}
	if len(p.By) > 0 {
		text += "; ended by " + function(p.By[0])
	}
	return text
}

// why writes on what a hop spends its own time.
func why(b *strings.Builder, f result.Finding) {
	if f.Why == nil {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", own(f))
	for _, p := range f.Why.Parts {
		fmt.Fprintf(b, "  %5.1f %%  %8s  %s\n", 100*p.Share, ms(p.MS), kinds[p.Kind])
		if text := where(p); text != "" {
			fmt.Fprintf(b, "                      %s\n", text)
		}
	}
	for _, u := range f.Why.Unseen {
		fmt.Fprintf(b, "  note: %s\n", u)
	}
}

// whyMarkdown writes the same as Markdown.
func whyMarkdown(b *strings.Builder, f result.Finding) {
	if f.Why == nil {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n| own time | share | mean | where |\n|---|--:|--:|---|\n", escape(own(f)))
	for _, p := range f.Why.Parts {
		fmt.Fprintf(b, "| %s | %.1f %% | %s | %s |\n", kinds[p.Kind], 100*p.Share, ms(p.MS), escape(where(p)))
	}
	for _, u := range f.Why.Unseen {
		fmt.Fprintf(b, "\nNote: %s.\n", escape(u))
	}
}
