package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"time"
)

var publishing = regexp.MustCompile(`^(?:0\.0\.0\.0:)?(\d+):\d+(?:/tcp)?$`)

// choosePort chooses a free port for the container. Containers share the network interfaces of this machine, so two of them cannot
// listen on the same port. The container gets the port in PORT.
func (c *container) choosePort() error {
	ports := publishing.FindStringSubmatch(c.publish)
	if ports == nil {
		return fmt.Errorf("--publish %s: only PORT:PORT is supported on the local AWS", c.publish)
	}
	port, err := strconv.Atoi(ports[1])
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.port = listener.Addr().(*net.TCPAddr).Port
	c.published = net.JoinHostPort(c.Address, strconv.Itoa(c.publishedPort(port)))
	fmt.Fprintf(os.Stderr, "%s publishes %s at %s; the program must listen on port %d, which is in PORT\n",
		c.name, ports[1], c.published, c.port)
	return listener.Close()
}

// forward listens on address as soon as a program listens on a port of 127.0.0.1, and forwards connections to it, until ended is closed.
// Until then, connections are refused. docker-proxy works in the same way.
func forward(address string, port int, ended <-chan struct{}) error {
	target := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for {
		connection, err := net.Dial("tcp", target)
		if err == nil {
			connection.Close()
			break
		}
		select {
		case <-ended:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		<-ended
		listener.Close()
	}()
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go connect(client, target)
	}
}

// connect connects a client to a target until both have closed the connection.
func connect(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	isSent := make(chan struct{})
	go func() {
		transfer(server, client)
		close(isSent)
	}()
	transfer(client, server)
	<-isSent
}

// transfer copies a direction of a connection, and passes on its end.
func transfer(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}
