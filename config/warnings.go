package config

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Warn writes a line for everything that is valid and that an operator should know.
func Warn(out io.Writer, environments []Environment) {
	warn := func(names []string, format string, args ...any) {
		if len(names) > 0 {
			fmt.Fprintf(out, "warning: "+strings.Join(names, ", ")+": "+format+"\n", args...)
		}
	}
	var old, placeholder, publicSSH []string
	locked := map[int][]string{} // by days until nobody can undo the lock
	for _, e := range environments {
		if e.Backend.AmazonLinux == "al2" {
			old = append(old, e.Name)
		}
		if e.Account == PlaceholderAccount {
			placeholder = append(placeholder, e.Name)
		}
		type setting struct {
			key, value string
			known      []string
		}
		settings := []setting{
			{"region", e.Region, known().regions}, // each zone begins with it
			{"backend.instanceType", e.Backend.InstanceType, known().types},
			{"cache.nodeType", e.Cache.NodeType, known().types},
		}
		for i, instanceType := range e.Backend.InstanceTypes {
			settings = append(settings, setting{fmt.Sprintf("backend.instanceTypes[%d]", i), instanceType, known().types})
		}
		for _, setting := range settings {
			if similar := nearest(setting.value, setting.known); similar != setting.value {
				warn([]string{e.Name}, "%s %q is mistyped, or newer than %s; did you mean %q?", setting.key, setting.value, known().version, similar)
			}
		}
		if e.Backup != nil && e.Backup.CopyToRegion != "" {
			if similar := nearest(e.Backup.CopyToRegion, known().regions); similar != e.Backup.CopyToRegion {
				warn([]string{e.Name}, "%s %q is mistyped, or newer than %s; did you mean %q?", "backup.copyToRegion", e.Backup.CopyToRegion, known().version, similar)
			}
		}
		if e.Backup != nil && e.Backup.VaultLock != nil && e.Backup.VaultLock.Mode == "compliance" {
			locked[e.Backup.VaultLock.GraceDays] = append(locked[e.Backup.VaultLock.GraceDays], e.Name)
		}
		for _, cidr := range e.Network.SSHCIDRs {
			if !netip.MustParsePrefix(cidr).Addr().IsPrivate() {
				publicSSH = append(publicSSH, e.Name+" "+cidr)
			}
		}
	}
	// The end of its support: https://aws.amazon.com/amazon-linux-2/.
	warn(old, "backend.amazonLinux is al2, as in the architecture document; Amazon Linux 2 reached its end of life on 2026-06-30; al2023 is tested as well")
	if len(placeholder) < len(environments) {
		warn(placeholder, "account is still the placeholder %s, but other files have another account", PlaceholderAccount)
	}
	for _, days := range slices.Sorted(maps.Keys(locked)) {
		// https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
		warn(locked[days], "backup.vaultLock.mode is compliance; from %d days after the deploy of bootstrap on, nobody can undo it: no administrator, no root user, not AWS", days)
	}
	warn(publicSSH, "network.sshCidrs is a public range; instances have no public IP, so it allows nothing: use Session Manager")
}
