package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/starttech/infrastructure/internal/awserror"
)

// Scan is ECR's scan of an image for vulnerabilities.
type Scan struct {
	Status         ecrtypes.ScanStatus // empty: ECR has no scan of the image
	Reason         string              // of the status, in AWS's words
	Critical, High int                 // findings
	Worst          []string            // names of the critical and high findings
	Completed      time.Time           // zero until then
}

// IsComplete reports whether the scan has findings. An active one is repeated when a new vulnerability is known.
func (s Scan) IsComplete() bool {
	return s.Status == ecrtypes.ScanStatusComplete || s.Status == ecrtypes.ScanStatusActive
}

// IsRunning reports whether the scan has not ended.
func (s Scan) IsRunning() bool {
	return s.Status == ecrtypes.ScanStatusInProgress || s.Status == ecrtypes.ScanStatusPending
}

// Scan reads ECR's scan of an image. DescribeImages does not have it, neither with basic nor with enhanced scanning
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html).
func (e *Environment) Scan(ctx context.Context, tag string) (Scan, error) {
	repository, err := e.Repository()
	if err != nil {
		return Scan{}, err
	}
	answer, err := e.ecr().DescribeImageScanFindings(ctx, &ecr.DescribeImageScanFindingsInput{
		RepositoryName: &repository, ImageId: &ecrtypes.ImageIdentifier{ImageTag: &tag},
	})
	var none *ecrtypes.ScanNotFoundException
	switch {
	case errors.As(err, &none):
		return Scan{}, nil
	case err != nil:
		return Scan{}, fmt.Errorf("read the scan of %s: %w", tag, awserror.Plain(err))
	case answer.ImageScanStatus == nil:
		return Scan{}, fmt.Errorf("ECR returns no status of the scan of %s", tag)
	}
	scan := Scan{Status: answer.ImageScanStatus.Status, Reason: aws.ToString(answer.ImageScanStatus.Description)}
	if found := answer.ImageScanFindings; found != nil {
		scan.Critical, scan.High = int(found.FindingSeverityCounts["CRITICAL"]), int(found.FindingSeverityCounts["HIGH"])
		scan.Worst, scan.Completed = worst(found), aws.ToTime(found.ImageScanCompletedAt)
	}
	return scan, nil
}

// worst returns the names of the critical and high findings.
func worst(found *ecrtypes.ImageScanFindings) []string {
	var names []string
	for _, severity := range []ecrtypes.FindingSeverity{ecrtypes.FindingSeverityCritical, ecrtypes.FindingSeverityHigh} {
		for _, finding := range found.Findings {
			if finding.Severity == severity {
				names = append(names, aws.ToString(finding.Name))
			}
		}
		for _, finding := range found.EnhancedFindings {
			if aws.ToString(finding.Severity) == string(severity) {
				names = append(names, aws.ToString(finding.Title))
			}
		}
	}
	return names
}

// ScanPatience is how long CheckScan waits for a scan, and how often it looks.
type ScanPatience struct{ Timeout, Interval time.Duration }

// ReleasePatience is that of a release. ECR scans an image when it is pushed, which a pipeline does seconds before.
var ReleasePatience = ScanPatience{Timeout: 5 * time.Minute, Interval: 5 * time.Second}

// CheckScan waits for the end of the scan of an image, and returns an error if it has critical findings or there is none.
func (e *Environment) CheckScan(ctx context.Context, tag string, patience ScanPatience, progress func(string)) error {
	for deadline := time.Now().Add(patience.Timeout); ; {
		scan, err := e.Scan(ctx, tag)
		switch isLate := time.Now().After(deadline); {
		case err != nil:
			return err
		case scan.IsComplete() && scan.Critical > 0:
			return fmt.Errorf("the scan of %s has found %d critical vulnerabilities; release a mended image, or set --allow-critical", tag, scan.Critical)
		case scan.IsComplete():
			return nil
		case scan.Status == "" && isLate:
			return fmt.Errorf("ECR has not scanned %s after %s: it scans no image with attestations (docker build --provenance=false --sbom=false); push it anew, or set --allow-critical", tag, patience.Timeout)
		case scan.IsRunning() && isLate:
			return fmt.Errorf("the scan of %s is %s after %s; release it later, or set --allow-critical", tag, scan.Status, patience.Timeout)
		case scan.Status != "" && !scan.IsRunning():
			return fmt.Errorf("the scan of %s is %s, so its vulnerabilities are unknown: %s; release another image, or set --allow-critical", tag, scan.Status, cmp.Or(scan.Reason, "AWS gives no reason"))
		}
		progress("waiting for ECR's scan of the image")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience.Interval):
		}
	}
}
