package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

// What docs/operations.md shows is what happens: its transcripts are written by go test ./cmd/drm -run TestOperations -update. Seen to
// fail with the check for a last node left out of begin (it waits for ever), with verdicts that leave out capacity, with deliveries
// that leave out what is in doubt, and with a dry run that does it.
func TestOperations(t *testing.T) {
	const path = "../../docs/operations.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.start("a --zone=eu-1 --label=disk=ssd", "b --zone=eu-2 --capacity=3", "c --zone=eu-3")
	s.put("websocket", "fast", `, "requires": {"disk": "ssd"}`)
	for i := range 6 {
		s.put("websocket", fmt.Sprintf("r%d", i+1), "")
	}
	s.open(7)
	s.put("websocket", "big", `, "requires": {"zone": "eu-2"}, "weight": 9`)
	s.put("websocket", "far", `, "requires": {"zone": "us-1"}`)
	s.put("webscoket", "typo", "")
	want := string(text)
	for _, part := range parts.FindAllStringSubmatch(want, -1) {
		if prepare := map[string]func(){
			"shell trouble": func() { s.ail("sick") }, "shell deliveries": s.sell,
			"shell decide": func() { s.shop.mended.Store(true) }, "shell delivered": s.delivered,
		}[part[1]]; prepare != nil {
			prepare()
		}
		want = fill(t, want, part[1], "```console\n"+s.play(part[2])+"```\n")
	}
	s.open(7)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is not what happens; if it should be, run: go test ./cmd/drm -run TestOperations -update\n%s", path, want)
	}
}

// ail puts a resource that can't connect, and returns when its holder has said so.
func (s *site) ail(id string) {
	s.t.Helper()
	key := cluster.Key{Kind: "websocket", ID: id}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	noted := s.etcd.Watch(ctx, "/drm/"+cluster.StatusPath(key))
	spec := `{"url": "ws://127.0.0.1:1/", "reconnect": {"initial": "1h", "max": "1h"}}`
	if err := s.Put(ctx, cluster.ResourcePath(key), spec); err != nil {
		s.t.Fatal(err)
	}
	for answer := range noted {
		for _, event := range answer.Events {
			if strings.Contains(string(event.Kv.Value), "backing_off") {
				return
			}
		}
	}
	s.t.Fatal("no trouble was noted")
}

var (
	parts     = regexp.MustCompile("(?s)<!-- (shell [^\n]*) -->\n```console\n(.*?)```\n<!-- end -->\n")
	drainLine = regexp.MustCompile(`(?m)^\w+: (\d+ of \d+ still here|it holds nothing).*\n`)
	loopback  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	varying   = []struct {
		what *regexp.Regexp
		as   string
	}{
		{regexp.MustCompile(`\d+s ago`), "3s ago"},
		{regexp.MustCompile(`revision \d+`), "revision 48213"},
		{regexp.MustCompile(`the next in [0-9hms]+`), "the next in 43m52s"},
		{regexp.MustCompile(`in (1h|59m)[0-9hms]+`), "in 58m12s"},
		{regexp.MustCompile(`ago  +[0-9.]+m?s`), "ago  4ms"},
		{regexp.MustCompile(`taken up to \d+`), "taken up to 1041"},
	}
)

// play gives the commands of a transcript again and returns them with what is said now.
func (s *site) play(transcript string) string {
	s.t.Helper()
	out := new(strings.Builder)
	for line := range strings.Lines(transcript) {
		command, ok := strings.CutPrefix(line, "$ drm ")
		if !ok {
			continue
		}
		code, stdout, stderr := call(s.env, words(command)...)
		said := stdout + drainLine.ReplaceAllString(stderr, "")
		said = loopback.ReplaceAllStringFunc(said, s.address)
		for _, v := range varying {
			said = v.what.ReplaceAllString(said, v.as)
		}
		said = realign(said)
		if code != exitOK {
			said += fmt.Sprintf("(exit code %d)\n", code)
		}
		out.WriteString(line + said)
	}
	return out.String()
}

// address stands for a node's, on a machine of its own and as long as the real one.
func (s *site) address(listens string) string {
	for i, n := range s.Nodes() {
		if n.Address == listens {
			return fmt.Sprintf("10.0.10.%d:7376", 21+i)
		}
	}
	if s.shop != nil && listens == s.shop.host {
		return "10.0.10.99:8080"
	}
	return listens
}

// realign lays tables out anew whose cells were replaced: those whose first line is in capitals.
func realign(text string) string {
	blocks := strings.Split(text, "\n\n")
	for i, block := range blocks {
		if head, _, _ := strings.Cut(block, "\n"); head != strings.ToUpper(head) || !strings.Contains(head, "  ") {
			continue
		}
		var rows [][]string
		for line := range strings.Lines(block) {
			rows = append(rows, columns.Split(strings.TrimSpace(line), -1))
		}
		blocks[i] = string(table(rows))
		if i < len(blocks)-1 {
			blocks[i] = strings.TrimSuffix(blocks[i], "\n")
		}
	}
	return strings.Join(blocks, "\n\n")
}

var columns = regexp.MustCompile(`  +`)

// words divides a command line as a shell does, as far as the page needs it.
func words(line string) []string {
	var all []string
	for i, quoted := range strings.Split(strings.TrimSpace(line), "'") {
		if i%2 == 1 {
			all = append(all, quoted)
		} else {
			all = append(all, strings.Fields(quoted)...)
		}
	}
	return all
}
