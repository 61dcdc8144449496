package result

// Growth compares the times of hops in rounds of two versions that took turns. It tells
// a growth from the noise between rounds.
type Growth struct {
	Rounds   int          `json:"rounds"`        // of each version
	Requests Requests     `json:"requests"`      // that were compared, of all entries
	Why      string       `json:"why,omitempty"` // reason why there is no comparison
	Parts    []GrowthPart `json:"parts"`         // those that grew first, then by their growth
	Left     int          `json:"left_out"`      // number of further parts, none of which grew

	// LeftOut lists the entries, of at least 5 % of the requests of a version, that were
	// not compared because both versions have requests of them in too few rounds. Whether their hops grew is not known.
	LeftOut []string `json:"entries_left_out,omitempty"`

	Versions *GrowthOfPair `json:"versions,omitempty"`
}

// GrowthOfPair names the versions that are compared in one window.
type GrowthOfPair struct {
	Service string `json:"service"`
	Stable  string `json:"stable"` // other versions, separated by commas
	Canary  string `json:"canary"`
	Mixed   int    `json:"mixed"` // requests left out because both versions took part in them
}

// GrowthPart is the time of a hop, of its waits for a dependency without spans, or of a
// link, as the mean per request of an entry.
type GrowthPart struct {
	Entry      string  `json:"entry"` // operation
	Hop        string  `json:"hop"`
	Operation  string  `json:"operation,omitempty"` // empty for those that only one version has, together
	Kind       string  `json:"kind"`                // self, dependency or link
	Target     string  `json:"target,omitempty"`    // the dependency, or the caller of a link
	BaselineMS float64 `json:"baseline_ms"`
	NowMS      float64 `json:"now_ms"`
	AddedMS    float64 `json:"added_ms"`
	NoiseMS    float64 `json:"noise_ms"` // growth up to this is not told from chance, or is too small to matter
	Grew       bool    `json:"grew"`     // AddedMS exceeds NoiseMS
}

// Grew returns the parts that grew by more than their noise.
func (g *Growth) Grew() (out []GrowthPart) {
	if g == nil {
		return nil
	}
	for _, p := range g.Parts {
		if p.Grew {
			out = append(out, p)
		}
	}
	return out
}
