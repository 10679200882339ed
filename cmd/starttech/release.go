package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/operate"
)

func newReleaseCommand(p *project) *cobra.Command {
	command := &cobra.Command{
		Use:   "release",
		Short: "Release the backend or the frontend to an environment",
		Long: `Release the backend or the frontend to an environment.

Release the backend first, and then the frontend that calls it.`,
	}
	command.AddCommand(newReleaseBackendCommand(p), newReleaseFrontendCommand(p))
	return command
}

func newReleaseBackendCommand(p *project) *cobra.Command {
	var allowCritical, dryRun bool
	var o *operation
	command := &cobra.Command{
		Use:   "backend TAG",
		Short: "Run the image with a tag on all instances",
		Long: `Run the image with a tag on all instances.

The image has to be in the environment's ECR repository. The command waits up to five minutes for ECR's scan of it. An image with critical
vulnerabilities or without a scan is refused, unless --allow-critical is set, which ignores the scan. An instance refresh that is in progress
ends first. Then the tag is written into the release parameter, and an instance refresh replaces the instances: a new instance is healthy
before an old one is terminated.

If the new instances do not become healthy, or the command is interrupted, the tag before is written again, another instance refresh
replaces the instances, and the last lines that the new instances logged are shown. If somebody else has written a tag meanwhile, that one
stays, and the command fails.`,
		Example: "  starttech release backend 4f2c1d0 --env staging\n  starttech release backend 4f2c1d0 --env staging --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return o.releaseBackend(command.Context(), arguments[0], allowCritical, dryRun)
		},
	}
	o = newOperation(p, command)
	command.Flags().BoolVar(&allowCritical, "allow-critical", false, "release an image with critical vulnerabilities, or without a scan")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "check everything, and change nothing")
	return command
}

// backendResult is the result of a release or a rollback of the backend.
type backendResult struct {
	Tag     string `json:"tag"`
	Before  string `json:"before"`
	Changed bool   `json:"changed"` // false: the instances run it already, or it is a dry run
}

func (o *operation) releaseBackend(ctx context.Context, tag string, allowCritical, dryRun bool) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	if _, err := e.Image(ctx, tag); err != nil {
		return err
	}
	s := newSteps(os.Stderr, "")
	if !allowCritical {
		if err := s.do(ctx, "Look at the scan of "+tag, func(current *status) error {
			return e.CheckScan(ctx, tag, operate.ReleasePatience, current.set)
		}); err != nil {
			return err
		}
	}
	before, err := e.Released(ctx)
	if err != nil {
		return err
	}
	result := backendResult{Tag: tag, Before: before}
	if before == tag {
		var isReleased bool
		if err := s.do(ctx, "Look whether the instances run "+tag, func(current *status) (err error) {
			isReleased, err = e.IsReleased(ctx, tag, current.set)
			return err
		}); err != nil {
			return err
		}
		if isReleased {
			return o.print(result, func(out io.Writer) { fmt.Fprintf(out, "The instances of %s run %s already.\n", e.Name, tag) })
		}
	}
	if dryRun {
		return o.print(result, func(out io.Writer) {
			fmt.Fprintf(out, "Would release %s to %s in place of %s, and replace its instances. Nothing was changed.\n", tag, e.Name, before)
		})
	}
	if err := s.do(ctx, "Release "+tag+" to "+e.Name, func(current *status) error {
		return e.ReleaseBackend(ctx, tag, current.set)
	}); err != nil {
		return withReports(err)
	}
	result.Changed = true
	return o.print(result, func(out io.Writer) {
		fmt.Fprintf(out, "The instances of %s run %s; before, they ran %s.\n", e.Name, tag, before)
	})
}

func newReleaseFrontendCommand(p *project) *cobra.Command {
	var name string
	var dryRun bool
	var o *operation
	command := &cobra.Command{
		Use:   "frontend DIR",
		Short: "Publish the files of a built frontend",
		Long: `Publish the files of a built frontend: the directory that contains index.html.

The files in assets/, whose names contain a hash, are uploaded first, and browsers keep them for a year. The others follow, and index.html
is last, so that no page refers to a file that is not there. Nothing is deleted, because an open page may still load it. Files that the
bucket has already are left out. Then CloudFront's copies of the page are invalidated, and the site is requested until it serves the new one.

A name, for example the commit, makes it possible to roll back to this release by its name.`,
		Example: "  starttech release frontend dist --env staging --name 4f2c1d0",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return o.releaseFrontend(command.Context(), p.callerPath(arguments[0]), name, dryRun)
		},
	}
	o = newOperation(p, command)
	command.Flags().StringVar(&name, "name", "", "name of the release, as the commit")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "list the files, and change nothing")
	return command
}

func (o *operation) releaseFrontend(ctx context.Context, dir, name string, dryRun bool) error {
	if _, err := operate.ReadFrontend(dir); err != nil { // before the credentials are needed
		return err
	}
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	release, err := e.PlanFrontend(ctx, dir)
	if err != nil {
		return err
	}
	if dryRun {
		return o.print(release, func(out io.Writer) {
			for _, upload := range release.Uploads {
				fmt.Fprintf(out, "  %s  (%s; %s)\n", upload.Key, upload.ContentType, upload.CacheControl)
			}
			fmt.Fprintf(out, "Would upload %d files to %s; %d are there already. Nothing was changed.\n", len(release.Uploads), e.Name, release.Unchanged)
		})
	}
	s := newSteps(os.Stderr, "")
	if err := s.do(ctx, fmt.Sprintf("Publish the frontend to %s", e.Name), func(current *status) error {
		return e.ReleaseFrontend(ctx, release, name, current.set)
	}); err != nil {
		return err
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		return err
	}
	if err := s.do(ctx, "Request the site", func(*status) error { return o.waitForPage(ctx, e, index) }); err != nil {
		return err
	}
	return o.print(release, func(out io.Writer) {
		fmt.Fprintf(out, "%s serves the new page; %d files were uploaded, %d were there already.\n", e.Name, len(release.Uploads), release.Unchanged)
	})
}

// pageTimeout is how long the site may serve the old page after the invalidation.
const pageTimeout = 2 * time.Minute

// waitForPage requests the site until it serves a page.
func (o *operation) waitForPage(ctx context.Context, e *operate.Environment, want []byte) error {
	site, err := e.Output("site_url")
	if err != nil {
		return err
	}
	aws, err := o.p.callersLocalAWS()
	if err != nil {
		return err
	}
	client := http.Client{Timeout: requestTimeout}
	if aws != nil {
		site, client.Transport = aws.SiteURL(site), aws.SiteTransport()
	}
	deadline := time.Now().Add(pageTimeout)
	for {
		page, err := getPage(ctx, client, site+"/")
		switch {
		case err == nil && bytes.Equal(page, want):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			if err == nil {
				err = fmt.Errorf("it has %d bytes, not the %d of index.html", len(page), len(want))
			}
			return fmt.Errorf("%s/ does not serve the new page after %s: %w", site, pageTimeout, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

func getPage(ctx context.Context, client http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", statusText(response.StatusCode))
	}
	return io.ReadAll(io.LimitReader(response.Body, 10<<20))
}
