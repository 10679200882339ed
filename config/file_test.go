package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loadFailure is the error of Load for a directory with a file x.yaml, which make creates.
func loadFailure(t *testing.T, create func(file string) error) string {
	t.Helper()
	dir := t.TempDir()
	if err := create(filepath.Join(dir, "x.yaml")); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := Load(dir)
		failed <- err
	}()
	select {
	case err := <-failed:
		if err == nil {
			t.Fatal("no error")
		}
		return strings.ReplaceAll(err.Error(), dir+"/", "")
	case <-time.After(time.Minute):
		t.Fatal("no answer within a minute")
	}
	return ""
}

func writeText(content string) func(file string) error {
	return func(file string) error { return os.WriteFile(file, []byte(content), 0o600) }
}

func TestOnlyRegularFilesOfAtMostOneMegabyteAreRead(t *testing.T) {
	const regular = "; an environment is a regular file"
	for name, test := range map[string]struct {
		create func(file string) error
		want   string
	}{
		"a named pipe":          {func(file string) error { return syscall.Mkfifo(file, 0o600) }, "x.yaml: is a named pipe" + regular},
		"a directory":           {func(file string) error { return os.Mkdir(file, 0o700) }, "x.yaml: is a directory" + regular},
		"a link to a device":    {func(file string) error { return os.Symlink("/dev/zero", file) }, "x.yaml: is a device" + regular},
		"a link to a directory": {func(file string) error { return os.Symlink("/", file) }, "x.yaml: is a directory" + regular},
		"a socket": {func(file string) error {
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: file})
			if err == nil {
				t.Cleanup(func() { listener.Close() })
			}
			return err
		}, "x.yaml: is a socket" + regular},
		"a link to nothing": {func(file string) error { return os.Symlink("missing", file) }, "read environments: stat x.yaml: no such file or directory"},
		"a byte too many":   {writeText(strings.Repeat("#", maxSize+1)), "x.yaml: has more than 1 MB; the environment files of this project have a few kB"},
		"as long as allowed": {
			writeText(strings.Repeat("#", maxSize)), "x.yaml: is empty; an environment needs at least its account and repositories",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := loadFailure(t, test.create); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// Some editors show these as a line break, others as a part of the comment.
func TestLineBreaksThatEditorsShowDifferentlyAreRefused(t *testing.T) {
	for _, lineBreak := range []string{"\u0085", "\u2028", "\u2029", "\r"} {
		got := loadFailure(t, writeText("# note "+lineBreak+"deletionProtection: false\n"))
		if want := "x.yaml:1:8: is not text in UTF-8, or has a control character"; got != want {
			t.Errorf("%q: got %q, want %q", lineBreak, got, want)
		}
	}
	if got := loadFailure(t, writeText("# note\r\nunknown: 1\r\n")); strings.Contains(got, "control character") {
		t.Error(got)
	}
}

func TestHiddenFilesAreNoEnvironments(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("me@host.123:456", filepath.Join(dir, ".#x.yaml")); err != nil { // Emacs, while somebody edits x.yaml
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "contains no environment") {
		t.Error(err)
	}
}

func TestLinkToAFileIsRead(t *testing.T) {
	dir := t.TempDir()
	if err := writeText(account)(filepath.Join(dir, "shared")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("shared", filepath.Join(dir, "staging.yaml")); err != nil {
		t.Fatal(err)
	}
	if environments, err := Load(dir); err != nil || len(environments) != 1 || environments[0].Name != "staging" {
		t.Errorf("%v, %v", environments, err)
	}
}

func TestLongValuesAreCut(t *testing.T) {
	long, cut := strings.Repeat("ü", 5000), strings.Repeat("ü", maxValue)
	digits := strings.Repeat("1", 5000)
	for name, content := range map[string]string{
		"a string":                   account + "region: " + long + "\n",
		"a string in another key":    account + "backend: {instanceType: \"" + long + "\"}\n",
		"a string of escapes":        account + "region: \"" + strings.Repeat(`\t\"`, 5000) + "\"\n",
		"a number":                   account + "backend: {minSize: " + digits + "}\n",
		"a number that is not plain": account + "backend: {minSize: 0" + digits + "}\n",
		"an address range":           account + "network: {cidr: \"" + digits + "\"}\n",
		"an unknown key":             account + digits[:900] + ": 1\n",
		"a key too long":             account + long + ": 1\n",
		"a tag":                      account + "region: !" + digits + " x\n",
		"an alias of nothing":        account + "region: *" + digits + "\n",
		"a template":                 "account: \"123456789012\"\nrepository: a/${" + digits + "}\napplicationRepository: a/b\n",
		"a repository":               "account: \"123456789012\"\nrepository: a/" + digits + ".git\napplicationRepository: a/b\n",
	} {
		lines := problems("x.yaml", content)
		if len(lines) == 0 {
			t.Errorf("%s: no problem", name)
		}
		for _, line := range lines {
			// The longest pattern of the schema and its description have less than 600 characters.
			if len([]rune(line)) > 3*maxValue+600 {
				t.Errorf("%s: a line of %d characters: %s", name, len([]rune(line)), line)
			}
		}
	}
	lines := problems("x.yaml", account+"region: "+long+"\n")
	if len(lines) != 1 || !strings.Contains(lines[0], `: region: "`+cut+`..." `) {
		t.Errorf("got %s", lines)
	}
	exact := cut[:len(cut)-len("ü")] + "x"
	if lines := problems("x.yaml", account+"region: "+exact+"\n"); len(lines) != 1 || !strings.Contains(lines[0], `"`+exact+`"`) {
		t.Errorf("a value of %d characters is cut: %s", maxValue, lines)
	}
}

func TestAtMostOneHundredMistakesArePrinted(t *testing.T) {
	unknown := func(n int) string {
		var content strings.Builder
		content.WriteString(account)
		for i := range n {
			fmt.Fprintf(&content, "key%05d: 1\n", i)
		}
		return content.String()
	}
	for n, want := range map[int]string{100: "x.yaml:103:1: key00099: unknown key", 101: "and 1 more mistake", 30_000: "and 29900 more mistakes"} {
		lines := strings.Split(loadFailure(t, writeText(unknown(n))), "\n")
		if len(lines) != min(n, 101) || !strings.HasPrefix(lines[len(lines)-1], want) {
			t.Errorf("%d mistakes: %d lines, the last one is %s", n, len(lines), lines[len(lines)-1])
		}
	}
}

// The check that the items of a list differ compares each with each.
func TestLongestListIsRefusedWithinSeconds(t *testing.T) {
	var content strings.Builder
	content.WriteString(account + "network:\n  sshCidrs:\n")
	for i := 0; content.Len() < maxSize-100; i++ {
		fmt.Fprintf(&content, "  - %d\n", i)
	}
	begin := time.Now()
	if got := loadFailure(t, writeText(content.String())); !strings.Contains(got, "more mistakes") {
		t.Errorf("got %s", got)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
