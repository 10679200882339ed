package userdata_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// bootWithoutRelease boots a machine without a release, on a free port, and waits for the placeholder.
func (m *machine) bootWithoutRelease() {
	m.t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	m.must(err)
	m.settings.Port = listener.Addr().(*net.TCPAddr).Port
	m.must(listener.Close())

	m.write("state/release", "none\n")
	m.bootPlaceholder()
}

// bootPlaceholder boots and waits for the placeholder.
func (m *machine) bootPlaceholder() {
	m.t.Helper()
	m.mustBoot()
	eventually(m.t, func() error {
		response, err := http.Get(m.url("/ping"))
		if err != nil {
			return err
		}

		return response.Body.Close()
	})
}

func (m *machine) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.settings.Port))
}

func (m *machine) url(path string) string {
	return "http://" + m.address() + path
}

func TestPlaceholderPassesHealthCheckAndReturns503Otherwise(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.bootWithoutRelease()

		// A client that sends nothing must not block other clients.
		silent, err := net.Dial("tcp", m.address())
		m.must(err)
		defer silent.Close()

		client := &http.Client{Timeout: 5 * time.Second}

		for _, test := range []struct {
			method, path string
			status       int
		}{
			{http.MethodGet, "/ping", http.StatusOK},
			{http.MethodGet, "/", http.StatusServiceUnavailable},
			{http.MethodGet, "/health", http.StatusServiceUnavailable},
			{http.MethodGet, "/ping/pong", http.StatusServiceUnavailable},
			{http.MethodPost, "/auth/login", http.StatusServiceUnavailable},
			{http.MethodPut, "/tasks/1", http.StatusServiceUnavailable},
			{http.MethodPatch, "/tasks/1", http.StatusServiceUnavailable},
			{http.MethodDelete, "/tasks/1", http.StatusServiceUnavailable},
			{http.MethodOptions, "/tasks", http.StatusServiceUnavailable},
		} {
			var body io.Reader
			if test.method == http.MethodPost {
				body = bytes.NewReader(make([]byte, 300_000))
			}

			request, err := http.NewRequestWithContext(t.Context(), test.method, m.url(test.path), body)
			m.must(err)
			response, err := client.Do(request)
			m.must(err)
			content, err := io.ReadAll(response.Body)
			m.must(err)
			m.must(response.Body.Close())

			what := test.method + " " + test.path
			if response.StatusCode != test.status {
				t.Errorf("%s: %s, want %d", what, response.Status, test.status)
			}

			if hasRetryAfter := response.Header.Get("Retry-After") != ""; hasRetryAfter != (test.status != http.StatusOK) {
				t.Errorf("%s: Retry-After is %q", what, response.Header.Get("Retry-After"))
			}

			contains(t, what, string(content), "no release yet: ")
		}

		// Go's HTTP client ignores the body of a response to HEAD.
		connection, err := net.Dial("tcp", m.address())
		m.must(err)
		defer connection.Close()

		_, err = io.WriteString(connection, "HEAD /ping HTTP/1.0\r\n\r\n")
		m.must(err)
		response, err := io.ReadAll(connection)
		m.must(err)

		if text := string(response); !strings.Contains(text, " 200 ") || !strings.HasSuffix(text, "\r\n\r\n") {
			t.Errorf("HEAD /ping: %q", text)
		}
	})
}

func TestPlaceholderServiceRunsWithoutRoot(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.bootWithoutRelease()

		equal(t, "unit", m.read("root/etc/systemd/system/starttech-placeholder.service"), fmt.Sprintf(`[Unit]
Description=StartTech placeholder until the first release
After=network.target

[Service]
ExecStart=BIN/%s ROOT/usr/local/lib/starttech/placeholder.py 0.0.0.0 %d /ping
User=nobody
NoNewPrivileges=yes
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`, m.version.python, m.settings.Port))

		for name, want := range map[string]fs.FileMode{
			"usr/local/lib/starttech":                0o755 | fs.ModeDir,
			"usr/local/lib/starttech/placeholder.py": 0o644,
		} {
			info, err := os.Stat(filepath.Join(m.root, name))
			m.must(err)

			if info.Mode() != want {
				t.Errorf("%s is %s, want %s", name, info.Mode(), want)
			}
		}

		equalLines(t, "calls", m.calls(), []string{
			m.version.installer,
			"systemctl enable docker",
			"systemctl start docker",
			"aws ssm get-parameter --name /starttech/production/release --query Parameter.Value --output text" + awsOptions,
			"systemctl daemon-reload",
			"systemctl enable starttech-placeholder",
			"systemctl restart starttech-placeholder",
		})
	})
}

func TestSecondBootBeforeFirstReleaseChangesNothing(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.bootWithoutRelease()
		first := m.files()
		m.bootPlaceholder()
		equalFiles(t, m.files(), first)
	})
}

func TestFirstReleaseReplacesPlaceholder(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.bootWithoutRelease()
		m.write("state/release", release)
		m.mustBoot()

		m.waitUntilPortClosed()
		equalLines(t, "calls of systemctl", m.calls("systemctl")[2:], []string{
			"systemctl disable starttech-placeholder",
			"systemctl stop starttech-placeholder",
			"systemctl daemon-reload",
			"systemctl enable starttech-backend",
			"systemctl restart starttech-backend",
		})

		if m.exists("root/etc/systemd/system/starttech-placeholder.service") {
			t.Error("the placeholder would start again after a restart of the instance")
		}
	})
}

func TestPlaceholderReplacesWithdrawnRelease(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()
		m.bootWithoutRelease()

		equalLines(t, "calls of systemctl", m.calls("systemctl")[2:], []string{
			"systemctl disable starttech-backend",
			"systemctl stop starttech-backend",
			"systemctl daemon-reload",
			"systemctl enable starttech-placeholder",
			"systemctl restart starttech-placeholder",
		})

		if m.exists("root/etc/systemd/system/starttech-backend.service") {
			t.Error("the backend would start again after a restart of the instance")
		}
	})
}
