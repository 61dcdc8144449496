package spanmetrics

import (
	"testing"

	"github.com/tenhop/tenhop/trace"
)

// TestAttributesOfPeers holds that every attribute that names a peer is read.
func TestAttributesOfPeers(t *testing.T) {
	trace.PeerOf(func(key string) string {
		if _, ok := attributesByName[key]; !ok {
			t.Errorf("attribute %s is not read", key)
		}
		return ""
	})
}
