package local

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
)

// registryHost is the host name of a private registry: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
var registryHost = regexp.MustCompile(`^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com$`)

// RegistryTransport returns a transport that sends the requests to an ECR registry to an AWS endpoint, which finds the registry by
// the Host header. The client uses the registry's host name only, so it sends its password to no other host. A request to another
// host is an error.
func RegistryTransport(endpoint string) http.RoundTripper { return registryTransport(endpoint) }

type registryTransport string // URL of the endpoint

func (t registryTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	original := *request.URL
	if !registryHost.MatchString(original.Host) {
		return nil, fmt.Errorf("registry %s does not exist on the local AWS; it has ACCOUNT.dkr.ecr.REGION.amazonaws.com", original.Host)
	}
	endpoint, err := url.Parse(string(t))
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Host, request.URL.Scheme, request.URL.Host = original.Host, endpoint.Scheme, endpoint.Host
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if location, err := response.Location(); err == nil && location.Host == endpoint.Host {
		location.Scheme, location.Host = original.Scheme, original.Host
		response.Header.Set("Location", location.String())
	}
	return response, nil
}
