// Command awstypes writes the regions, the EC2 instance types and the ElastiCache node types that botocore knows. The local AWS brings
// botocore. Without it, the committed file stays as it is.
package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: awstypes DIRECTORY_OF_VENV FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "awstypes:", err)
		os.Exit(1)
	}
}

func write(environment, file string) error {
	botocore, err := find(environment)
	if err != nil {
		return err
	}
	if botocore == "" {
		fmt.Fprintf(os.Stderr, "awstypes: %s stays as it is: no botocore in %s\n", file, environment)
		return nil
	}
	content, err := Generate(botocore)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644)
}

// find returns the directory of botocore in a Python environment, or "" if it is not installed.
func find(environment string) (string, error) {
	found, err := filepath.Glob(filepath.Join(environment, "lib", "python*", "site-packages", "botocore"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// model is the part of a service's API model that Generate reads.
type model struct {
	Shapes map[string]struct {
		Enum    []string
		Members map[string]struct{ Documentation string }
	}
}

// unlisted are node types that the documentation in the model lacks
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheNodes.SupportedTypes.html).
var unlisted = []string{
	"cache.c7gn.large", "cache.c7gn.xlarge", "cache.c7gn.2xlarge", "cache.c7gn.4xlarge", "cache.c7gn.8xlarge", "cache.c7gn.12xlarge", "cache.c7gn.16xlarge",
	"cache.r6gd.xlarge", "cache.r6gd.2xlarge", "cache.r6gd.4xlarge", "cache.r6gd.8xlarge", "cache.r6gd.12xlarge", "cache.r6gd.16xlarge",
}

var (
	nodeType = regexp.MustCompile(`cache\.[a-z0-9]+\.[a-z0-9]+`)
	version  = regexp.MustCompile(`__version__ = '(.+)'`)
)

// Generate returns the content of the file: botocore's version, a line of regions, and a line of sizes for each family of types.
// ElastiCache's model has the node types in its documentation only.
func Generate(botocore string) (string, error) {
	source, err := os.ReadFile(filepath.Join(botocore, "__init__.py"))
	if err != nil {
		return "", err
	}
	number := version.FindSubmatch(source)
	if number == nil {
		return "", fmt.Errorf("%s/__init__.py: no version", botocore)
	}
	ec2, err := read(botocore, "ec2")
	if err != nil {
		return "", err
	}
	elasticache, err := read(botocore, "elasticache")
	if err != nil {
		return "", err
	}
	regions, err := readRegions(botocore)
	if err != nil {
		return "", err
	}
	instances := ec2.Shapes["InstanceType"].Enum
	nodes := nodeType.FindAllString(elasticache.Shapes["CreateReplicationGroupMessage"].Members["CacheNodeType"].Documentation, -1)
	if len(instances) == 0 || len(nodes) == 0 {
		return "", fmt.Errorf("%s: %d instance types and %d node types", botocore, len(instances), len(nodes))
	}

	sizes := map[string][]string{} // by family
	for _, name := range slices.Concat(instances, nodes, unlisted) {
		dot := strings.LastIndex(name, ".")
		if family, size := name[:dot], name[dot+1:]; !slices.Contains(sizes[family], size) {
			sizes[family] = append(sizes[family], size)
		}
	}
	lines := []string{"botocore " + string(number[1]), "regions " + strings.Join(regions, " ")}
	for _, family := range slices.Sorted(maps.Keys(sizes)) {
		slices.Sort(sizes[family])
		lines = append(lines, family+" "+strings.Join(sizes[family], " "))
	}
	return strings.Join(lines, "\n") + "\n", nil
}

// readRegions returns the regions of the partition aws.
func readRegions(botocore string) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(botocore, "data", "endpoints.json"))
	if err != nil {
		return nil, err
	}
	var endpoints struct {
		Partitions []struct {
			Partition string
			Regions   map[string]any
		}
	}
	if err := json.Unmarshal(content, &endpoints); err != nil {
		return nil, fmt.Errorf("%s/data/endpoints.json: %w", botocore, err)
	}
	for _, p := range endpoints.Partitions {
		if p.Partition == "aws" && len(p.Regions) > 0 {
			return slices.Sorted(maps.Keys(p.Regions)), nil
		}
	}
	return nil, fmt.Errorf("%s/data/endpoints.json: no regions of the partition aws", botocore)
}

func read(botocore, service string) (m model, err error) {
	found, err := filepath.Glob(filepath.Join(botocore, "data", service, "*", "service-2.json.gz"))
	if err != nil {
		return m, err
	}
	if len(found) == 0 {
		return m, fmt.Errorf("%s: no model of %s", botocore, service)
	}
	file, err := os.Open(slices.Max(found)) // the newest version of the API
	if err != nil {
		return m, err
	}
	defer file.Close()
	content, err := gzip.NewReader(file)
	if err != nil {
		return m, fmt.Errorf("%s: %w", file.Name(), err)
	}
	if err := json.NewDecoder(content).Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return m, nil
}
