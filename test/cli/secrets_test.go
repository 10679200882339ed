package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// variableStore stands in for SSM and Secrets Manager.
type variableStore struct {
	parameters []string // names of the variables
	secret     string   // the value
	written    []string // names and values of parameters
}

func (s *variableStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct{ Name, Value, SecretString string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var answer any = struct{}{}
	switch _, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); action {
	case "DescribeParameters":
		list := []map[string]string{}
		for _, name := range s.parameters {
			list = append(list, map[string]string{"Name": "/starttech/production/backend/" + name, "Type": "SecureString"})
		}
		answer = map[string]any{"Parameters": list}
	case "PutParameter":
		s.written = append(s.written, request.Name+"="+request.Value)
	case "GetSecretValue":
		answer = map[string]string{"SecretString": s.secret}
	case "PutSecretValue":
		s.secret = request.SecretString
	default:
		http.Error(w, "unexpected "+action, http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// newSecretsCheckout returns a checkout whose production has the block secrets, or none, and outputs in the file outputs.
func newSecretsCheckout(t *testing.T, block bool) (checkout, *variableStore) {
	t.Helper()
	c := newCheckout(t)
	if block {
		c.write(t, "environments/production.yaml", c.read(t, "environments/production.yaml")+"\nsecrets: {}\n")
	}
	return c, c.startVariables(t)
}

// startVariables starts SSM and Secrets Manager.
func (c checkout) startVariables(t *testing.T) *variableStore {
	t.Helper()
	store := &variableStore{secret: "{}"}
	server := httptest.NewServer(store)
	t.Cleanup(server.Close)
	c.write(t, "outputs", `{"parameter_path": "/starttech/production/backend/"}`)
	c.env["AWS_ENDPOINT_URL_SSM"], c.env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = server.URL, server.URL
	return store
}

const ofProduction = " --env production --outputs outputs"

func TestSecretsOfSecretsManager(t *testing.T) {
	t.Parallel()
	c, store := newSecretsCheckout(t, true)
	c.mustFail(t, "secrets check"+ofProduction, "production: missing: MONGO_URI; starttech secrets set NAME --env production")
	c.write(t, "value", "mongodb://host\n")
	c.mustRun(t, "secrets set MONGO_URI --file value"+ofProduction, "MONGO_URI of production is written. ")
	equal(t, "secret", store.secret, `{"MONGO_URI":"mongodb://host"}`)
	c.mustFail(t, "secrets set BAD-NAME --file none"+ofProduction, // the value is not read
		`"BAD-NAME" is not the name of an environment variable; allowed: letters, digits and _, not beginning with a digit`)
	c.mustFail(t, "secrets set JWT_SECRET_KEY --file value"+ofProduction, "JWT_SECRET_KEY is generated, in the secret /starttech/production/jwt: ")
	equal(t, "parameters that are written", store.written, []string(nil))
	c.mustRun(t, "secrets check"+ofProduction, "production has every variable that the application needs.\n")

	store.parameters = []string{"JWT_SECRET_KEY"}
	c.mustFail(t, "secrets check"+ofProduction,
		`production: no instance boots, because these variables are set twice: JWT_SECRET_KEY; docs/runbook.md, "Secrets", says where to delete them`)
	output, _ := c.run(t, "secrets list"+ofProduction)
	var rows []string
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		rows = append(rows, fmt.Sprint(fields[0], " ", strings.Contains(line, " secret"), strings.Contains(line, " parameter")))
	}
	equal(t, "list", rows, []string{"NAME false false", "JWT_SECRET_KEY false true", "MONGO_URI true false"})
}

const interruptedAgain = "; run the command again to continue\n"

func TestInterruptEndsPromptAndBringsEchoBack(t *testing.T) {
	t.Parallel()
	c, store := newSecretsCheckout(t, false)
	// The shell keeps the terminal open, and prints its settings after the command.
	command := c.command(t, "secrets set MONGO_URI"+ofProduction)
	command.Args = append([]string{"/bin/sh", "-c", `trap : INT; "$0" "$@"; echo "status $?"; /bin/stty -a`}, command.Args...)
	command.Path = "/bin/sh"
	terminal, err := pty.Start(command)
	harness.Must(t, terminal, err)
	defer terminal.Close()
	defer time.AfterFunc(time.Minute, func() { _ = command.Process.Kill() }).Stop()
	screen, buffer, typed := "", make([]byte, 4096), false
	for err == nil {
		var n int
		n, err = terminal.Read(buffer)
		screen += string(buffer[:n])
		if !typed && strings.HasSuffix(screen, "which is not shown: ") {
			typed = true
			waitFor(t, "the terminal echoes", func() bool { return !harness.Echoes(t, terminal) }) // until the command reads
			_, err := terminal.WriteString("half of it" + controlC)
			check(t, err)
		}
	}
	_ = command.Wait() // its status is on the screen
	screen = strings.ReplaceAll(screen, "\r\n", "\n")
	has(t, "screen", screen, "interrupted by SIGINT"+interruptedAgain+"status 1\n", " echo ")
	if strings.Contains(screen, "half of it") || strings.Contains(screen, "-echo ") {
		t.Errorf("the value is shown, or the terminal does not echo:\n%s", screen)
	}
	equal(t, "parameters that are written", store.written, []string(nil))
}

func TestSignalEndsReadOfValue(t *testing.T) {
	t.Parallel()
	for name, fromFile := range map[string]bool{"a FIFO": true, "standard input": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, store := newSecretsCheckout(t, false)
			arguments, fifo := "secrets set MONGO_URI"+ofProduction, filepath.Join(c.dir, "fifo")
			check(t, unix.Mkfifo(fifo, 0o600))
			input, writer, err := os.Pipe()
			check(t, err)
			defer input.Close()
			defer writer.Close()
			if fromFile {
				arguments += " --file fifo"
			}
			command := c.command(t, arguments)
			command.Stdin = input
			defer time.AfterFunc(time.Minute, func() { _ = command.Process.Kill() }).Stop()
			var out bytes.Buffer
			command.Stdout, command.Stderr = &out, &out
			check(t, command.Start())
			if fromFile { // waits until the command opens it
				writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
				check(t, err)
				defer writer.Close()
			} else { // a pipe has 64 KB, so this waits until the command reads
				_, err := writer.Write(make([]byte, 64<<10+1))
				check(t, err)
			}
			check(t, command.Process.Signal(syscall.SIGTERM))
			err = command.Wait()
			equal(t, "output", out.String(), "interrupted by SIGTERM"+interruptedAgain)
			equal(t, "whether it fails", err != nil, true)
			equal(t, "parameters that are written", store.written, []string(nil))
		})
	}
}
