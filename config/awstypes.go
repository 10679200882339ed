package config

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/agext/levenshtein"
)

//go:generate go run ./awstypes ../.venv aws_types.txt

// awsTypes has the regions, the EC2 instance types and the ElastiCache node types that botocore knows. The first line is botocore's
// version, and the second one the regions. Each other line is a family and its sizes. ./awstypes writes it.
//
//go:embed aws_types.txt
var awsTypes string

// awsNames are the names in awsTypes, in the order of the file.
type awsNames struct {
	version        string // of botocore
	regions, types []string
}

var known = sync.OnceValue(func() (names awsNames) {
	lines := strings.Split(strings.TrimSpace(awsTypes), "\n")
	names.version, names.regions = lines[0], strings.Fields(lines[1])[1:]
	for _, line := range lines[2:] {
		fields := strings.Fields(line)
		for _, size := range fields[1:] {
			names.types = append(names.types, fields[0]+"."+size)
		}
	}
	return names
})

// nearest returns the one of names that is most similar to a name: the name itself if it is one of them.
func nearest(name string, names []string) string {
	found, best := "", -1.0
	for _, other := range names {
		// A common prefix, the family, counts more than the rest.
		if similarity := levenshtein.Match(name, other, nil); similarity > best {
			found, best = other, similarity
		}
	}
	return found
}
