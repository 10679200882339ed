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
		if got := (Network{CIDR: cidr}).DockerBridge(); got != want {
			t.Errorf("%s: the bridge is %q, want %q", cidr, got, want)
		}
	}
}
