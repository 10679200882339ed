package config

import "testing"

func TestDockerBridgeIsOutsideTheVPC(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.0.0.0/16":     "",
		"172.16.0.0/16":   "",
		"172.17.0.0/16":   "192.168.127.1/24",
		"172.17.255.0/28": "192.168.127.1/24",
		"192.168.0.0/16":  "",
	} {
		if got := (Environment{Network: Network{CIDR: cidr}}).DockerBridge(); got != want {
			t.Errorf("%s: the bridge is %q, want %q", cidr, got, want)
		}
	}
}

// An answer to an address in the range of the bridge would go to the bridge.
func TestDockerBridgeIsOutsideTheNetworksOfSSH(t *testing.T) {
	for _, test := range []struct {
		cidr string
		ssh  []string
		want string
	}{
		{"10.0.0.0/16", []string{"10.0.0.0/8", "192.168.0.0/16"}, ""},
		{"10.0.0.0/16", []string{"172.17.4.0/24"}, "192.168.127.1/24"},
		{"10.0.0.0/16", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}, "198.18.127.1/24"},
		{"192.168.0.0/16", []string{"172.17.0.0/16"}, "198.18.127.1/24"},
		{"172.17.0.0/16", []string{"192.168.0.0/16", "198.18.0.0/15"}, "192.168.127.1/24"},
	} {
		if got := (Environment{Network: Network{CIDR: test.cidr, SSHCIDRs: test.ssh}}).DockerBridge(); got != test.want {
			t.Errorf("%s with SSH from %q: the bridge is %q, want %q", test.cidr, test.ssh, got, test.want)
		}
	}
}

func TestDockerBridgeIsOutsideOfAtlas(t *testing.T) {
	for atlas, want := range map[string]string{"192.168.248.0/21": "", "172.17.8.0/21": "192.168.127.1/24"} {
		e := Environment{Network: Network{CIDR: "10.0.0.0/16"}, Database: &Database{Peering: &Peering{CIDR: atlas}}}
		if got := e.DockerBridge(); got != want {
			t.Errorf("peering with %s: the bridge is %q, want %q", atlas, got, want)
		}
	}
}
