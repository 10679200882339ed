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
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Limits of PutLogEvents: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
// An event counts eventOverhead bytes more than its message. Docker's driver uses the same limit for an event.
const (
	maxBatchEvents = 10_000
	maxBatchBytes  = 1 << 20
	eventOverhead  = 26
	maxEventBytes  = 256<<10 - eventOverhead
)

// publishInterval is the interval of Docker's driver.
const publishInterval = 5 * time.Second

// output receives the output of a container: docker run prints it and, with --log-driver awslogs, sends it to CloudWatch Logs, as Docker
// does: https://docs.docker.com/engine/logging/drivers/awslogs/
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

// close waits until all output has been read and sent, but not for a daemon that still has the pipes.
func (o *output) close() {
	read := make(chan struct{})
	go func() {
		o.readers.Wait()
		close(read)
	}()
	select {
	case <-read:
	case <-time.After(minimumGrace):
	}
	if o.stream != nil {
		o.stream.close()
	}
}

// logStream sends events to a log stream.
type logStream struct {
	client      *cloudwatchlogs.Client
	group, name string
	isBlocking  bool // a full buffer blocks the container; otherwise events are dropped
	limit       int  // of the buffer, in bytes

	mu       sync.Mutex
	changed  *sync.Cond
	events   []types.InputLogEvent
	size     int // of events, in bytes
	end      chan struct{}
	finished chan struct{}
}

func newLogStream(e engine, options []string, containerID string) (*logStream, error) {
	region := e.Region
	l := &logStream{name: containerID, isBlocking: true, limit: 1 << 20, end: make(chan struct{}), finished: make(chan struct{})}
	l.changed = sync.NewCond(&l.mu)
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		var err error
		switch {
		case key == "awslogs-region":
			region = value
		case key == "awslogs-group":
			l.group = value
		case key == "awslogs-stream":
			l.name = value
		case key == "mode" && (value == "blocking" || value == "non-blocking"):
			l.isBlocking = value == "blocking"
		case key == "max-buffer-size":
			l.limit, err = parseSize(value)
		default:
			err = fmt.Errorf("--log-opt %s is not supported on the local AWS", option)
		}
		if err != nil {
			return nil, err
		}
	}
	if l.group == "" {
		return nil, errors.New("--log-opt awslogs-group is missing")
	}
	metadata, err := url.Parse(e.Metadata)
	if err != nil {
		return nil, err
	}
	role := ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = imds.New(imds.Options{Endpoint: e.Metadata, HTTPClient: metadataClient(metadata.Path)})
	})
	l.client = cloudwatchlogs.New(cloudwatchlogs.Options{
		Region: region, BaseEndpoint: aws.String(e.Endpoint), Credentials: aws.NewCredentialsCache(role), RetryMaxAttempts: 5,
	})
	_, err = l.client.CreateLogStream(context.Background(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &l.group, LogStreamName: &l.name})
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

var size = regexp.MustCompile(`^(\d+)([kmg]?)b?$`)

// parseSize parses a number of bytes, such as "25m".
func parseSize(value string) (int, error) {
	fields := size.FindStringSubmatch(strings.ToLower(value))
	if fields == nil {
		return 0, fmt.Errorf("--log-opt max-buffer-size: %q is not a size", value)
	}
	number, err := strconv.Atoi(fields[1])
	return number << map[string]int{"": 0, "k": 10, "m": 20, "g": 30}[fields[2]], err
}

// add appends an event to the buffer. CloudWatch Logs refuses empty messages.
func (l *logStream) add(message string) {
	if message == "" {
		return
	}
	message = strings.ToValidUTF8(message, "\uFFFD")
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.events) > 0 && l.size+len(message) > l.limit {
		if !l.isBlocking {
			return
		}
		l.changed.Wait()
	}
	l.events = append(l.events, types.InputLogEvent{Message: &message, Timestamp: aws.Int64(time.Now().UnixMilli())})
	l.size += len(message)
}

// take removes the events of one call from the buffer.
func (l *logStream) take() []types.InputLogEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	count, bytes := 0, 0
	for _, event := range l.events {
		if bytes += len(*event.Message) + eventOverhead; bytes > maxBatchBytes || count == maxBatchEvents {
			break
		}
		l.size -= len(*event.Message)
		count++
	}
	batch := l.events[:count]
	l.events = l.events[count:]
	l.changed.Broadcast()
	return batch
}

// run sends the buffer in intervals, and after close once more.
func (l *logStream) run(interval time.Duration) {
	defer close(l.finished)
	for isLast := false; !isLast; {
		select {
		case <-l.end:
			isLast = true
		case <-time.After(interval):
		}
		for batch := l.take(); len(batch) > 0; batch = l.take() {
			_, err := l.client.PutLogEvents(context.Background(), &cloudwatchlogs.PutLogEventsInput{
				LogGroupName: &l.group, LogStreamName: &l.name, LogEvents: batch,
			})
			if err != nil { // Docker drops the events, too
				fmt.Fprintf(os.Stderr, "docker: %d log events are lost: %v\n", len(batch), err)
			}
		}
	}
}

func (l *logStream) close() {
	close(l.end)
	<-l.finished
}
