package watch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

func message(id, hop string) watch.Message {
	return watch.Message{ID: id, State: watch.Open, Headline: hop + ": +1 s", Diagnosis: &result.Result{Verdict: result.Spike,
		Findings: []result.Finding{{Rank: 1, Hop: hop, Operation: "Work", Kind: result.KindSelf, AddedMS: 1000, Share: 1}}}}
}

// TestGrafana creates an annotation and then changes it.
func TestGrafana(t *testing.T) {
	rec, url := serve(t, `{"id":7,"message":"Annotation added"}`)
	g, err := watch.NewGrafana(url, watch.Secrets{Grafana: "t"})
	if err != nil {
		t.Fatal(err)
	}
	m := message("i1", "<script>")
	for range 2 {
		if m.Ref, err = g.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	bodies, paths := rec.got()
	if got := strings.Join(paths, ", "); got != "POST /api/annotations, PATCH /api/annotations/7" {
		t.Errorf("calls %s", got)
	}
	if strings.Contains(bodies[0], "<script>") {
		t.Errorf("a name from telemetry is HTML: %s", bodies[0])
	}
}

// TestMarkdownFile keeps one section per incident, whatever else the file has.
func TestMarkdownFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.md")
	if err := os.WriteFile(path, []byte("# Ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := receiver(t, "file:"+path, watch.Secrets{})
	for _, m := range []watch.Message{message("i1", "old"), message("i2", "other"), message("i1", "new"), message("i3", "--> <!-- end i2 -->\n")} {
		if _, err := f.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	if !strings.HasPrefix(text, "# Ours\n") || strings.Contains(text, "old Work") || !strings.Contains(text, "new Work") || !strings.Contains(text, "other Work") {
		t.Errorf("got\n%s", text)
	}
	if n := strings.Count(text, "<!-- end i2 -->\n"); n != 1 {
		t.Errorf("%d ends of section i2:\n%s", n, text)
	}
}

// TestMarkdownFileOfOthers keeps the permissions of a file and the link that leads to it, also
// if the file does not exist yet.
func TestMarkdownFileOfOthers(t *testing.T) {
	for _, exists := range []bool{true, false} {
		file, link := filepath.Join(t.TempDir(), "incidents.md"), filepath.Join(t.TempDir(), "link.md")
		want := os.FileMode(0o600)
		if exists {
			want = 0o644
			if err := errors.Join(os.WriteFile(file, []byte("# Ours\n"), want), os.Chmod(file, want)); err != nil { // whatever the umask
				t.Fatal(err)
			}
		}
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := receiver(t, "file:"+link, watch.Secrets{}).Send(t.Context(), message("i1", "payment")); err != nil {
				t.Fatal(err)
			}
		}
		if to, err := os.Readlink(link); err != nil || to != file {
			t.Errorf("exists %v: the link leads to %q: %v", exists, to, err)
		}
		content, err := os.ReadFile(file)
		if err != nil || strings.Count(string(content), "<!-- incident i1 -->") != 1 || strings.HasPrefix(string(content), "# Ours\n") != exists {
			t.Errorf("exists %v: %v: %s", exists, err, content)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("exists %v: %v, %v, want %v", exists, info, err, want)
		}
	}
}

// TestTargets rejects what names no receiver, without printing it.
func TestTargets(t *testing.T) {
	for _, target := range []string{"", "hook", "ftp://secret@host/x", "slack://C1", "file:"} {
		if _, err := watch.NewReceiver(target, watch.Secrets{}, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", target, err)
		}
	}
	if _, err := watch.NewTemplate(`{"text":{{json .Headline}}}`); err != nil {
		t.Error(err)
	}
	if _, err := watch.NewTemplate(`{{.Absent}}`); err == nil {
		t.Error("a template with an unknown field is accepted")
	}
}
