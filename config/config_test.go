package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// account is the required keys. They are the first three lines of each file below, if the test is not about them.
const (
	account      = "account: \"123456789012\"\n" + repositories
	repositories = "repository: starttech/infrastructure\napplicationRepository: starttech/application\n"
)

// problems is what is wrong in a file, a line each.
func problems(file, content string) []string {
	d, _ := load(file, []byte(content))
	var lines []string
	for _, m := range d.problems.sorted() {
		lines = append(lines, m.String())
	}
	return lines
}

// sameSettings compares environments by what they say, not by where.
func sameSettings(want, got Environment) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(Environment{}, "AccountPosition"))
}

func TestLimitsNameThePosition(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"a required key that is missing": {repositories + "region: eu-west-1\n", []string{
			"x.yaml:1:1: account: missing; The AWS account that this environment lives in, in quotes. The provider refuses any other.",
		}},
		"required keys of an item": {account + "network:\n  availabilityZones:\n    - {name: eu-west-1a, publicCidr: 10.0.1.0/24, privateCidr: 10.0.3.0/24}\n    - {name: eu-west-1b}\n", []string{
			"x.yaml:7:7: network.availabilityZones[1].publicCidr: missing; Range of the public subnet (load balancer, NAT gateway).",
			"x.yaml:7:7: network.availabilityZones[1].privateCidr: missing; Range of the private subnet (instances, Redis).",
		}},
		"an unknown key": {account + "domain:\n  nmae: a.b\n  name: a.bc\n  hostedZoneId: Z1\n", []string{
			"x.yaml:5:3: domain.nmae: unknown key; did you mean name? allowed: caa, createZone, hostedZoneId, name, www",
		}},
		"an unknown key of an item": {account + "network:\n  availabilityZones:\n    - {name: eu-west-1a, publicCidr: 10.0.1.0/24, privateCidr: 10.0.3.0/24, cidr: x}\n    - {name: eu-west-1b, publicCidr: 10.0.2.0/24, privateCidr: 10.0.4.0/24}\n", []string{
			"x.yaml:6:77: network.availabilityZones[0].cidr: unknown key; allowed: name, privateCidr, publicCidr",
		}},
		"a number where a string is due": {"account: 123456789012\n" + repositories, []string{
			"x.yaml:1:10: account: 123456789012 is a number, not a string; put it in quotes",
		}},
		"a version without quotes": {account + "cache: {engineVersion: 7.1}\n", []string{
			"x.yaml:4:24: cache.engineVersion: 7.1 is a number, not a string; put it in quotes",
		}},
		"a string where a number is due": {account + "backend: {maxSize: many}\n", []string{
			`x.yaml:4:20: backend.maxSize: "many" is a string, not an integer`,
		}},
		"a fraction where an integer is due": {account + "backend: {maxSize: 2.5}\n", []string{
			"x.yaml:4:20: backend.maxSize: 2.5 is a number, not an integer",
		}},
		"a word where a yes or no is due": {account + "deletionProtection: maybe\n", []string{
			`x.yaml:4:21: deletionProtection: "maybe" is a string, not a boolean`,
		}},
		"a key without a value": {account + "backend:\n", []string{
			"x.yaml:4:9: backend: this value is empty, not a map of keys",
		}},
		"a list where a map is due": {account + "cache: [replicas]\n", []string{
			"x.yaml:4:8: cache: this value is a list, not a map of keys",
		}},
		"a map where a list is due": {account + "network: {sshCidrs: {office: 192.0.2.0/24}}\n", []string{
			"x.yaml:4:21: network.sshCidrs: this value is a map of keys, not a list",
		}},
		"a word that is not in the list": {account + "network: {natGateways: two}\n", []string{
			`x.yaml:4:24: network.natGateways: "two" is not one of none, single, per-az`,
		}},
		"a word of YAML where another is due": {account + "network: {natGateways: false}\n", []string{
			`x.yaml:4:24: network.natGateways: false is a boolean, not a string; allowed: none, single, per-az`,
		}},
		"an integer that Go does not have": {account + "repositoryId: 18446744073709551615\n", []string{
			"x.yaml:4:15: repositoryId: 18446744073709551615 is above the maximum, 9007199254740991",
		}},
		"a retention that CloudWatch does not support": {account + "monitoring: {logRetentionDays: 31}\n", []string{
			"x.yaml:4:32: monitoring.logRetentionDays: 31 is not one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653",
		}},
		"a number that is too small": {account + "backend:\n  minSize: 0\n", []string{
			"x.yaml:5:12: backend.minSize: 0 is below the minimum, 1",
		}},
		"a number that is too large": {account + "cache: {snapshotRetentionDays: 36}\n", []string{
			"x.yaml:4:32: cache.snapshotRetentionDays: 36 is above the maximum, 35",
		}},
		"a number that overflows": {account + "backend: {minSize: 99999999999999999999}\n", []string{
			"x.yaml:4:20: backend.minSize: 99999999999999999999 is above the maximum, 100",
		}},
		"too few items": {account + "frontend: {apiPaths: []}\n", []string{
			"x.yaml:4:22: frontend.apiPaths: has 0 items; the minimum is 1",
		}},
		"too many items": {account + "frontend: {apiPaths: [/a, /b, /c, /d, /e, /f, /g, /h, /i, /j, /k, /l, /m, /n, /o, /p, /q, /r, /s, /t, /u]}\n", []string{
			"x.yaml:4:22: frontend.apiPaths: has 21 items; the maximum is 20",
		}},
		"a duplicate item": {account + "frontend: {apiPaths: [/a, /b, /a]}\n", []string{
			"x.yaml:4:22: frontend.apiPaths: item 3 is the same as item 1",
		}},
		"a text that is too long": {account + "loadBalancer: {healthCheckPath: /" + strings.Repeat("a", 128) + "}\n", []string{
			`x.yaml:4:33: loadBalancer.healthCheckPath: "/` + strings.Repeat("a", 128) + `" is 129 characters long; the maximum is 128`,
		}},
		"a text of another form": {account + "domain:\n  name: Example.com\n  hostedZoneId: Z1\n", []string{
			`x.yaml:5:9: domain.name: "Example.com" does not match ^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+([a-z]{2,}|xn--[a-z0-9-]*[a-z0-9])$ (Name of the site, app.example.com)`,
		}},
		"invalid ranges": {account + "network:\n  sshCidrs: [192.0.2.1, \"2001:db8::/32\", office]\n", []string{
			`x.yaml:5:14: network.sshCidrs[0]: "192.0.2.1" is not an IPv4 range such as 10.0.0.0/16`,
			`x.yaml:5:25: network.sshCidrs[1]: "2001:db8::/32" is not an IPv4 range such as 10.0.0.0/16`,
			`x.yaml:5:42: network.sshCidrs[2]: "office" is not an IPv4 range such as 10.0.0.0/16`,
		}},
		"a repository without an owner": {"account: \"123456789012\"\nrepository: infrastructure\napplicationRepository: https://github.com/starttech/application\n", []string{
			`x.yaml:2:13: repository: "infrastructure" does not match ^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+$ (GitHub repository (owner/name) that this environment is deployed from)`,
			`x.yaml:3:24: applicationRepository: "https://github.com/starttech/application" does not match ^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+$ (GitHub repository (owner/name) of the application)`,
		}},
		"repositories that are missing": {"account: \"123456789012\"\n", []string{
			"x.yaml:1:1: repository: missing; GitHub repository (owner/name) that this environment is deployed from: its workflows assume the plan and deploy roles. A tag on every resource.",
			"x.yaml:1:1: applicationRepository: missing; GitHub repository (owner/name) of the application: its workflows assume the release role.",
		}},
		"ids that are none": {account + "repositoryId: acme/platform\napplicationRepositoryId: 99999999999999999999\n", []string{
			`x.yaml:4:15: repositoryId: "acme/platform" is a string, not an integer`,
			"x.yaml:5:26: applicationRepositoryId: 99999999999999999999 is above the maximum, 9007199254740991",
		}},
		"a provider that is neither": {account + "oidcProvider: none\n", []string{
			`x.yaml:4:15: oidcProvider: "none" is not one of create, existing`,
		}},
		"a range with host bits": {account + "network: {cidr: 10.0.0.1/16}\n", []string{
			`x.yaml:4:17: network.cidr: "10.0.0.1/16" has host bits; the range is 10.0.0.0/16`,
		}},
		"an invalid e-mail address": {account + "monitoring: {alarmEmails: [ops]}\n", []string{
			`x.yaml:4:28: monitoring.alarmEmails[0]: "ops" is not an e-mail address`,
		}},
		"several at once": {"account: \"1\"\nbackend: {minSize: 0, size: 3}\n" + repositories, []string{
			`x.yaml:1:10: account: "1" does not match ^[0-9]{12}$ (The AWS account that this environment lives in, in quotes)`,
			"x.yaml:2:20: backend.minSize: 0 is below the minimum, 1",
			"x.yaml:2:23: backend.size: unknown key; allowed: amazonLinux, containerCredentials, cpuCredits, desiredCapacity, imageId, instanceMetrics, instanceType, instanceTypes, maxSize, minSize, rootVolumeGiB, sessionManager, spotPercent, targetCpuPercent, warmupSeconds",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, problems("x.yaml", test.content)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusesWhatHidesAValue(t *testing.T) {
	const notPlain = " is not a plain decimal number; write it without prefix, underscore, exponent and leading zero, or in quotes if it is text"
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"nothing":                     {"", []string{"x.yaml: is empty; an environment needs at least its account and repositories"}},
		"nothing but null":            {"~\n", []string{"x.yaml: is empty; an environment needs at least its account and repositories"}},
		"two documents":               {account + "---\n" + account, []string{"x.yaml:4:1: contains more than one YAML document; write one environment per file"}},
		"a duplicate key":             {account + "region: eu-west-1\nregion: eu-west-2\n", []string{"x.yaml:5:1: region: is duplicated; it is also on line 4"}},
		"an alias":                    {"account: &a \"123456789012\"\nregion: *a\n", []string{"x.yaml:2:9: region: *a is an alias; write the value out"}},
		"an alias of nothing":         {account + "# region: *foo\nregion: *foo\n", []string{"x.yaml:5:9: *foo is an alias; write the value out"}},
		"a merge":                     {account + "backend:\n  <<: {minSize: 3}\n", []string{"x.yaml:5:3: backend: a key must be a plain string; merge keys and complex keys are not supported"}},
		"a key of two words":          {account + "[min, max]: 3\n", []string{"x.yaml:4:1: a key must be a plain string; merge keys and complex keys are not supported"}},
		"not a number":                {account + "backend: {minSize: .nan}\n", []string{`x.yaml:4:20: backend.minSize: ".nan": .nan is not a finite number`}},
		"a tab":                       {account + "backend:\n\tminSize: 3\n", []string{"x.yaml:5:1: is not YAML: found character that cannot start any token"}},
		"a brace left open":           {account + "backend: {minSize: 3\n", []string{"x.yaml:4:1: is not YAML: did not find expected ',' or '}'"}},
		"a stray item":                {account + "- region\n", []string{"x.yaml:4:1: is not YAML: did not find expected key"}},
		"bytes, not text":             {"account: \"\xff\"", []string{"x.yaml:1:11: is not text in UTF-8, or has a control character"}},
		"a control character":         {"account: \"\x00\"", []string{"x.yaml:1:11: is not text in UTF-8, or has a control character"}},
		"an octal number":             {account + "backend: {minSize: 010}\n", []string{"x.yaml:4:20: backend.minSize: 010" + notPlain}},
		"an octal number of YAML 1.2": {account + "backend: {minSize: 0o10}\n", []string{"x.yaml:4:20: backend.minSize: 0o10" + notPlain}},
		"a hexadecimal number":        {account + "backend: {minSize: 0x3}\n", []string{"x.yaml:4:20: backend.minSize: 0x3" + notPlain}},
		"an underscore in a number":   {account + "backend: {maxSize: 1_0}\n", []string{"x.yaml:4:20: backend.maxSize: 1_0" + notPlain}},
		"an exponent":                 {account + "backend: {maxSize: 1e1}\n", []string{"x.yaml:4:20: backend.maxSize: 1e1" + notPlain}},
		"an account without quotes that begins with 0": {"account: 012345670123\n", []string{"x.yaml:1:10: account: 012345670123" + notPlain}},
		"a tag":              {"account: !!str 123456789012\n", []string{"x.yaml:1:10: account: !!str is a tag; write the value without it"}},
		"a tag of one's own": {account + "backend: !web {minSize: 3}\n", []string{"x.yaml:4:10: backend: !web is a tag; write the value without it"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, problems("x.yaml", test.content)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryProblemIsOneLine(t *testing.T) {
	for _, content := range []string{
		account + "backend: {minSize: 18446744073709551615}\n", // fits a number of YAML, but none of Go
		account + "\"min\\nsize\": 3\n",
		account + "region: \"eu\\nwest\"\n",
		account + "region: !!int \"eu\\nwest\"\n",
	} {
		lines := problems("x.yaml", content)
		if len(lines) != 1 {
			t.Errorf("%q: %d problems: %q", content, len(lines), lines)
		}
		for _, line := range lines {
			if strings.ContainsAny(line, "\n\r") {
				t.Errorf("%q: %q", content, line)
			}
		}
	}
}

func TestOnlyTheAccountAndTheRepositoriesAreRequired(t *testing.T) {
	d, got := load("environments/production.yaml", []byte(account))
	if len(d.problems) > 0 {
		t.Fatal(d.problems)
	}
	want := Default()
	want.Name, want.Account = "production", "123456789012"
	want.Repository, want.ApplicationRepository = "starttech/infrastructure", "starttech/application"
	if diff := sameSettings(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecordsThePositionOfTheAccount(t *testing.T) {
	_, e := load("environments/production.yaml", []byte("# comment\n"+account))
	if want := "environments/production.yaml:2:10"; e.AccountPosition != want {
		t.Errorf("got %s, want %s", e.AccountPosition, want)
	}
}

func TestDefaultsAreProduction(t *testing.T) {
	shipped, err := Load("../test/testdata/environments/reference")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name, want.Account = "production", "123456789012"
	want.Repository, want.ApplicationRepository = "starttech/infrastructure", "starttech/application"
	if diff := sameSettings(want, shipped[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListReplacesTheDefault(t *testing.T) {
	_, e := load("x.yaml", []byte(account+"frontend: {apiPaths: [/api/*]}\nnetwork: {sshCidrs: [192.0.2.0/24]}\n"))
	if diff := cmp.Diff([]string{"/api/*"}, e.Frontend.APIPaths); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"192.0.2.0/24"}, e.Network.SSHCIDRs); diff != "" {
		t.Error(diff)
	}
}

func TestEveryPropertyHasADescription(t *testing.T) {
	var walk func(path string, node schemaNode)
	walk = func(path string, node schemaNode) {
		for key, property := range node.Properties {
			if property.Description == "" {
				t.Errorf("%s has no description", join(path, key))
			}
			walk(join(path, key), property)
		}
		if node.Items != nil {
			walk(path, *node.Items)
		}
	}
	walk("", schemaTree())
}

func TestEveryKeyHasTheClassOfItsChange(t *testing.T) {
	for key, change := range Changes() {
		class, _, isExplained := strings.Cut(change, ": ")
		switch class {
		case Free, Rolls:
		case Interrupts, Refused:
			if !isExplained {
				t.Errorf("%s: the change is %q; want what is interrupted, or what refuses it and the way that works", key, change)
			}
		default:
			t.Errorf("%s: the class of its change is %q", key, class)
		}
	}
}

func TestNames(t *testing.T) {
	e := Environment{Name: "production"}
	for got, want := range map[string]string{
		e.NamePrefix():              "starttech-production",
		e.PathPrefix():              "/starttech/production",
		StateBucket("123456789012"): "starttech-terraform-state-123456789012",
		LockTable:                   "starttech-terraform-lock",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"../test/testdata/environments/reference", "../test/testdata/environments/variants", "../test/testdata/environments/extremes"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	for _, nasty := range []string{
		"", "~", "---\n---\n", "- a", "{", "[[[[", "&a [*a]", "a: &a {b: *a}", "? [a]\n: b", "<<: {a: b}", "a: 1\na: 2",
		"account: 123456789012", "account: 1e400", "account: .nan", "account: -.inf", "account: !!binary aGk=", "account: !!set {a}",
		"account: 0x1F", "account: 0o17", "account: 18446744073709551616", "account: 2026-01-01", "account: !<tag:x> y", "account: |\n  a\n  b",
		"\tx: 1", "\xff\xfe\x00", "\xef\xbb\xbfaccount: \"123456789012\"", "a: \"\x00\"", "%YAML 1.2\n---\na: b", "\"a\\nb\": c", "a.b[0]: c",
		strings.Repeat("[", 200), strings.Repeat("{a: ", 200), account + "network: {availabilityZones: [{}, []]}", account + "domain: {}",
		account + "network: {cidr: 255.255.255.255/32}", account + "cache: {snapshotWindow: \"23:59-00:00\"}",
		account + "backend: {minSize: 3.0, maxSize: 1_0, desiredCapacity: 0b101}",
	} {
		f.Add([]byte(nasty))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		d, e := load("x.yaml", content) // must not panic, whatever it is
		for _, m := range d.problems {
			if m.Message == "" || strings.ContainsAny(m.String(), "\n\r") {
				t.Errorf("problem %q", m)
			}
		}
		if len(d.problems) > 0 {
			return
		}
		// What is valid says all there is to say: written out in full, it is the same environment.
		written, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		again, same := load("x.yaml", written)
		if diff := sameSettings(e, same); diff != "" || len(again.problems) > 0 {
			t.Errorf("%s\n%v\n%s", written, again.problems, diff)
		}
	})
}
