package config

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/agext/levenshtein"
)

//go:generate go run ./awstypes ../.venv aws_types.txt

// awsTypes has the EC2 instance types and the ElastiCache node types that botocore knows. The first line is botocore's
// version. Each other line is a family and its sizes. ./awstypes writes it.
//
//go:embed aws_types.txt
var awsTypes string

// types are the types in awsTypes, in the order of the file, and the version of botocore.
var types = sync.OnceValues(func() (names []string, version string) {
	version, families, _ := strings.Cut(awsTypes, "\n")
	for line := range strings.Lines(families) {
		fields := strings.Fields(line)
		for _, size := range fields[1:] {
			names = append(names, fields[0]+"."+size)
		}
	}
	return names, version
})

// nearestType returns the known type that is most similar to a name: the name itself if it is known.
func nearestType(name string) string {
	nearest, best := "", -1.0
	names, _ := types()
	for _, other := range names {
		// A common prefix, the family, counts more than the rest.
		if similarity := levenshtein.Match(name, other, nil); similarity > best {
			nearest, best = other, similarity
		}
	}
	return nearest
}
