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

// awaitsRelease boots a machine for which there is no release yet, on a port of its own.
func (m *machine) awaitsRelease() {
	m.t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	m.must(err)
	m.settings.Port = listener.Addr().(*net.TCPAddr).Port
	m.must(listener.Close())

	m.write("state/release", "none\n")
	m.bootsPlaceholder()
}

// bootsPlaceholder boots and waits for the placeholder.
func (m *machine) bootsPlaceholder() {
	m.t.Helper()
	m.boots()
	soon(m.t, func() error {
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

func TestBeforeTheFirstReleaseAPlaceholderAnswersTheHealthCheckAndTellsOthersToWait(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()

		// A client that connects and says nothing keeps nobody waiting.
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
			var sent io.Reader
			if test.method == http.MethodPost {
				sent = bytes.NewReader(make([]byte, 300_000))
			}

			request, err := http.NewRequestWithContext(t.Context(), test.method, m.url(test.path), sent)
			m.must(err)
			response, err := client.Do(request)
			m.must(err)
			body, err := io.ReadAll(response.Body)
			m.must(err)
			m.must(response.Body.Close())

			what := test.method + " " + test.path
			if response.StatusCode != test.status {
				t.Errorf("%s: %s, want %d", what, response.Status, test.status)
			}

			if asks := response.Header.Get("Retry-After") != ""; asks != (test.status != http.StatusOK) {
				t.Errorf("%s: Retry-After is %q", what, response.Header.Get("Retry-After"))
			}

			contains(t, what, string(body), "no release yet: ")
		}

		// Go's client would not show a body that must not be there.
		connection, err := net.Dial("tcp", m.address())
		m.must(err)
		defer connection.Close()

		_, err = io.WriteString(connection, "HEAD /ping HTTP/1.0\r\n\r\n")
		m.must(err)
		answer, err := io.ReadAll(connection)
		m.must(err)

		if text := string(answer); !strings.Contains(text, " 200 ") || !strings.HasSuffix(text, "\r\n\r\n") {
			t.Errorf("HEAD /ping: %q", text)
		}
	})
}

func TestThePlaceholderIsAServiceOfItsOwnThatNeedsNoRoot(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()

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
`, m.generation.python, m.settings.Port))

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
			m.generation.installer,
			"systemctl enable docker",
			"systemctl start docker",
			"aws ssm get-parameter --name /starttech/production/release --query Parameter.Value --output text" + awsOptions,
			"systemctl daemon-reload",
			"systemctl enable starttech-placeholder",
			"systemctl restart starttech-placeholder",
		})
	})
}

func TestASecondBootBeforeTheFirstReleaseChangesNothing(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()
		first := m.files()
		m.bootsPlaceholder()
		same(t, m.files(), first)
	})
}

func TestTheFirstReleaseTakesThePlaceholdersPlace(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()
		m.write("state/release", release)
		m.boots()

		m.listensNoMore()
		equalLines(t, "calls on services", m.calls("systemctl")[2:], []string{
			"systemctl disable starttech-placeholder",
			"systemctl stop starttech-placeholder",
			"systemctl daemon-reload",
			"systemctl enable starttech-backend",
			"systemctl restart starttech-backend",
		})

		if m.exists("root/etc/systemd/system/starttech-placeholder.service") {
			t.Error("the placeholder would come back with the next start of the instance")
		}
	})
}

func TestAReleaseThatIsWithdrawnGivesItsPlaceToThePlaceholder(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.boots()
		m.awaitsRelease()

		equalLines(t, "calls on services", m.calls("systemctl")[2:], []string{
			"systemctl disable starttech-backend",
			"systemctl stop starttech-backend",
			"systemctl daemon-reload",
			"systemctl enable starttech-placeholder",
			"systemctl restart starttech-placeholder",
		})

		if m.exists("root/etc/systemd/system/starttech-backend.service") {
			t.Error("the backend would come back with the next start of the instance")
		}
	})
}
