package main

import (
	"fmt"
	"strconv"
	"strings"
)

// account is the user of a container.
type account struct {
	uid, gid int
	home     string
}

// account returns the user USER or USER:GROUP of an image, by name or by ID. Without a user, it is root:
// https://github.com/opencontainers/image-spec/blob/main/config.md#properties
func (r rootDirectory) account(user string) (a account, err error) {
	user, group, _ := strings.Cut(user, ":")
	if user == "" {
		user = "0"
	}
	a.home = "/"
	a.uid, err = strconv.Atoi(user)
	if found := r.lookUp("etc/passwd", user, 7); found != nil {
		a.uid, _ = strconv.Atoi(found[2])
		a.gid, _ = strconv.Atoi(found[3])
		a.home, err = found[5], nil
	}
	if err != nil {
		return a, fmt.Errorf("unable to find user %s: no matching entries in passwd file", user)
	}
	if group == "" {
		return a, nil
	}
	a.gid, err = strconv.Atoi(group)
	if found := r.lookUp("etc/group", group, 4); found != nil {
		a.gid, err = strconv.Atoi(found[2])
	}
	if err != nil {
		return a, fmt.Errorf("unable to find group %s: no matching entries in group file", group)
	}
	return a, nil
}

// lookUp returns the fields of the line in etc/passwd or etc/group with a name or an ID, or nil.
func (r rootDirectory) lookUp(file, key string, fields int) []string {
	content, _ := r.ReadFile(file)
	for line := range strings.Lines(string(content)) {
		entry := strings.Split(strings.TrimSpace(line), ":")
		if len(entry) == fields && (entry[0] == key || entry[2] == key) {
			return entry
		}
	}
	return nil
}
