package terraform

import (
	"context"
	"io"
	"math"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// run runs Terraform, or cdktf, which runs Terraform. It returns when the command has ended. Terraform is not interrupted by accident:
//   - The command has a process group of its own, so that neither Ctrl-C nor a closed terminal reaches it. It reads nothing.
//   - Its output is a file without a name, which run copies to output. A pipe would break if this process were killed, and end the command.
//   - If this process is killed, the command goes on to its end, and unlocks the state. It holds Options.Claim until then.
//
// If ctx is cancelled, stop is sent to the command once, or to its whole group if it is SIGKILL; 0 sends nothing, and the command goes on.
func (s *Stack) run(ctx context.Context, output io.Writer, stop syscall.Signal, command *exec.Cmd) error {
	file, err := os.CreateTemp("", "starttech-output-")
	if err != nil {
		return err
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	command.Stdout, command.Stderr = file, file
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.options.Claim != nil {
		command.ExtraFiles = []*os.File{s.options.Claim}
	}
	if err := command.Start(); err != nil {
		return err
	}
	s.process.Store(int64(command.Process.Pid))
	defer s.process.Store(0)
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	var copied int64
	copyNew := func() error { // the offset of file itself is the command's
		n, err := io.Copy(output, io.NewSectionReader(file, copied, math.MaxInt64-copied))
		copied += n
		return err
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for cancelled := ctx.Done(); ; {
		select {
		case <-ticker.C:
			_ = copyNew() // a writer that fails does not end the command; the last call returns its error
		case <-cancelled:
			cancelled = nil
			process := command.Process.Pid
			if stop == syscall.SIGKILL {
				process = -process // with the providers, which otherwise outlive Terraform
			}
			if stop != 0 {
				_ = syscall.Kill(process, stop) // an error only means that it has ended
			}
		case err := <-ended:
			if copyErr := copyNew(); err == nil {
				err = copyErr
			}
			return err
		}
	}
}

// runTerraform is run with Terraform's own command line, in the stack's directory. Its output is events, one on a line.
func (s *Stack) runTerraform(ctx context.Context, e *events, stop syscall.Signal, arguments ...string) error {
	command := exec.Command(s.options.Binary, arguments...)
	command.Dir = s.dir
	command.Env = append(environ(environment(s.options)), "TF_IN_AUTOMATION=1", "TF_INPUT=0")
	return s.run(ctx, e, stop, command)
}

// Process is the process ID of the Terraform, or the cdktf, that plans or applies; 0 if there is none.
func (s *Stack) Process() int { return int(s.process.Load()) }

func environ(variables map[string]string) []string {
	var list []string
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	return list
}
