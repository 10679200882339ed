package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// A call of PutLogEvents may have 10 000 events and 1 MiB, and an event counts 26 bytes more than its message:
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
// 64 events of at most 16 KiB, the size at which Docker splits a line, are less.
const (
	maxBatchEvents = 64
	maxEventBytes  = 16<<10 - 26
)

// publishInterval is the interval of Docker's driver: https://docs.docker.com/engine/logging/drivers/awslogs/
const publishInterval = 5 * time.Second

// output receives the output of a container: docker run prints it and, with --log-driver awslogs, sends it to CloudWatch Logs.
type output struct {
	readers sync.WaitGroup
	stream  *logStream // nil without a driver
}

func newOutput(e engine, driver string, options []string, containerID string) (*output, error) {
	switch driver {
	case "":
		return &output{}, nil
	case "awslogs":
		stream, err := newLogStream(e, options, containerID)
		if err != nil {
			return nil, fmt.Errorf("initialize the logging driver: %w", err)
		}
		return &output{stream: stream}, nil
	}
	return nil, fmt.Errorf("--log-driver %s is not supported on the local AWS; it has awslogs", driver)
}

// pipes returns standard output and standard error of the container.
func (o *output) pipes() (stdout, stderr *os.File, err error) {
	if stdout, err = o.pipe(os.Stdout); err != nil {
		return nil, nil, err
	}
	stderr, err = o.pipe(os.Stderr)
	return stdout, stderr, err
}

func (o *output) pipe(copied io.Writer) (*os.File, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.readers.Go(func() {
		defer reader.Close()
		lines := bufio.NewReaderSize(reader, maxEventBytes)
		for {
			line, err := lines.ReadSlice('\n') // a longer line becomes more than one event
			_, _ = copied.Write(line)
			if o.stream != nil {
				o.stream.add(strings.TrimRight(string(line), "\r\n"))
			}
			if err != nil && err != bufio.ErrBufferFull {
				return
			}
		}
	})
	return writer, nil
}

// close sends the rest of the output. It does not wait for a daemon that still has the pipes.
func (o *output) close() {
	isRead := make(chan struct{})
	go func() {
		o.readers.Wait()
		close(isRead)
	}()
	select {
	case <-isRead:
	case <-time.After(minimumGrace):
	}
	if o.stream != nil {
		close(o.stream.end)
		<-o.stream.finished
	}
}

// logStream sends events to a log stream.
type logStream struct {
	client      *cloudwatchlogs.Client
	group, name string
	isBlocking  bool // a full buffer blocks the container; otherwise events are dropped
	buffer      chan types.InputLogEvent
	end         chan struct{} // closed after the last event
	finished    chan struct{} // closed after the last call
}

func newLogStream(e engine, options []string, containerID string) (*logStream, error) {
	region := e.Region
	l := &logStream{
		name: containerID, isBlocking: true,
		buffer: make(chan types.InputLogEvent, 10_000), end: make(chan struct{}), finished: make(chan struct{}),
	}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		switch {
		case key == "awslogs-region":
			region = value
		case key == "awslogs-group":
			l.group = value
		case key == "awslogs-stream":
			l.name = value
		case key == "mode" && (value == "blocking" || value == "non-blocking"):
			l.isBlocking = value == "blocking"
		case key == "max-buffer-size": // the size of the buffer is fixed
		default:
			return nil, fmt.Errorf("--log-opt %s is not supported on the local AWS", option)
		}
	}
	metadata, err := url.Parse(e.Metadata)
	if err != nil {
		return nil, err
	}
	role := ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = imds.New(imds.Options{Endpoint: e.Metadata, HTTPClient: metadataClient(metadata.Path)})
	})
	l.client = cloudwatchlogs.New(cloudwatchlogs.Options{
		Region: region, BaseEndpoint: aws.String(e.Endpoint), Credentials: aws.NewCredentialsCache(role),
	})
	stream := &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &l.group, LogStreamName: &l.name}
	_, err = l.client.CreateLogStream(context.Background(), stream)
	if exists := (*types.ResourceAlreadyExistsException)(nil); err != nil && !errors.As(err, &exists) {
		return nil, fmt.Errorf("create the log stream %s: %w", l.name, err)
	}
	go l.run(e.scale(publishInterval))
	return l, nil
}

// metadataClient adds the path of the emulated instance metadata service to requests. The SDK uses only the host of its endpoint.
type metadataClient string

func (prefix metadataClient) Do(request *http.Request) (*http.Response, error) {
	request.URL.Path = string(prefix) + request.URL.Path
	return http.DefaultClient.Do(request)
}

// add appends an event to the buffer. CloudWatch Logs refuses empty messages.
func (l *logStream) add(message string) {
	if message == "" {
		return
	}
	message = strings.ToValidUTF8(message, "\uFFFD")
	event := types.InputLogEvent{Message: &message, Timestamp: aws.Int64(time.Now().UnixMilli())}
	if l.isBlocking {
		l.buffer <- event
		return
	}
	select {
	case l.buffer <- event:
	default:
	}
}

// run sends the buffer in intervals, and once more at the end.
func (l *logStream) run(interval time.Duration) {
	defer close(l.finished)
	for isLast := false; !isLast; {
		select {
		case <-l.end:
			isLast = true
		case <-time.After(interval):
		}
		for len(l.buffer) > 0 {
			l.send()
		}
	}
}

func (l *logStream) send() {
	var batch []types.InputLogEvent
	for len(l.buffer) > 0 && len(batch) < maxBatchEvents {
		batch = append(batch, <-l.buffer)
	}
	_, err := l.client.PutLogEvents(context.Background(), &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &l.group, LogStreamName: &l.name, LogEvents: batch,
	})
	if err != nil { // Docker drops the events, too
		fmt.Fprintf(os.Stderr, "docker: %d log events are lost: %v\n", len(batch), err)
	}
}
