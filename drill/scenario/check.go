package scenario

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Limits of a scenario.
const (
	longestAt    = 60 * time.Second // the answer is waited for a minute longer
	shortestGap  = time.Second      // of Every
	gatewayName  = "gateway"
	mostReplicas = 20
)

var validName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// at returns the node of a path of keys and indices, or the nearest one above it.
func at(n *yaml.Node, path ...any) *yaml.Node {
	for _, p := range path {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		var next *yaml.Node
		switch p := p.(type) {
		case int:
			if n.Kind == yaml.SequenceNode && p < len(n.Content) {
				next = n.Content[p]
			}
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == p {
					next = n.Content[i+1]
				}
			}
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// meaning checks what the values mean.
func (c *checker) meaning(n *yaml.Node, s Scenario, known Known) {
	if !validName.MatchString(s.Name) {
		c.add(at(n, "name"), "name %q: wanted are lower-case words and digits joined by hyphens, such as payment-spike", s.Name)
	}
	for field, value := range map[string]string{"description": s.Description, "look": s.Look} {
		if strings.TrimSpace(value) == "" {
			c.add(at(n, field), "%s is missing: a sentence for the learner", field)
		}
	}
	if s.Entry != "" {
		c.operation(at(n, "entry"), "entry", gatewayName, s.Entry, known)
	}
	for _, service := range slices.Sorted(maps.Keys(s.Replicas)) {
		c.service(at(n, "replicas"), service, known)
		if r := s.Replicas[service]; r < 1 || r > mostReplicas {
			c.add(at(n, "replicas", service), "%d instances: wanted are between 1 and %d", r, mostReplicas)
		}
	}
	if len(s.Faults) == 0 && len(s.Expect) > 0 {
		c.add(at(n, "expect"), "without faults nothing must be named; leave out expect")
	}
	if len(s.Faults) > 0 && s.Expect == nil {
		c.add(n, "expect is missing: the answers that are right, one for each cause, or [] if nothing must be named")
	}
	for i, f := range s.Faults {
		c.fault(at(n, "faults", i), f, s, known)
	}
	for i, a := range s.Expect {
		c.answer(at(n, "expect", i), a, s, known)
	}
}

func (c *checker) fault(n *yaml.Node, f Fault, s Scenario, known Known) {
	c.service(at(n, "service"), c.base(at(n, "service"), f.Service, s), known)
	if !slices.Contains(FaultKinds(), f.Kind) {
		c.add(at(n, "kind"), "there is no kind of fault %q; the kinds are %s", f.Kind, strings.Join(FaultKinds(), ", "))
		return
	}
	if f.Operation != "" {
		c.operation(at(n, "operation"), "operation", c.base(nil, f.Service, s), f.Operation, known)
	}
	complete := f.Fault
	if complete.For == 0 {
		complete.For = chaos.Duration(time.Minute) // the drill bounds every fault
	}
	if err := complete.Validate(); err != nil {
		c.add(n, "%v", err)
	}
	if f.Percent < 0 || f.Percent > 100 {
		c.add(at(n, "percent"), "percent is %v; it must be above 0 and at most 100", f.Percent)
	}
	if f.At < 0 || time.Duration(f.At) > longestAt {
		c.add(at(n, "at"), "at is %s; it must be between 0s and %s", time.Duration(f.At), longestAt)
	}
	if f.Every != 0 && (time.Duration(f.Every) < shortestGap || f.Every <= f.For) {
		c.add(at(n, "every"), "every is %s; it must be at least %s and longer than for", time.Duration(f.Every), shortestGap)
	}
	if f.Ramp != 0 && (f.Ramp < 0 || time.Duration(f.Ramp) > longestAt || f.Kind != "latency" || f.Every != 0 || f.For != 0) {
		c.add(at(n, "ramp"), "ramp is for latency without every and for, at most %s", longestAt)
	}
}

func (c *checker) answer(n *yaml.Node, a Answer, s Scenario, known Known) {
	c.service(at(n, "hop"), a.Hop, known)
	if a.Operation != "" {
		c.operation(at(n, "operation"), "operation", a.Hop, a.Operation, known)
	}
	if a.Instance != "" && c.base(at(n, "instance"), a.Instance, s) != a.Hop {
		c.add(at(n, "instance"), "instance %q is not one of %s", a.Instance, a.Hop)
	}
	c.all(at(n, "kinds"), "kind of finding", a.Kinds, FindingKinds())
	c.all(at(n, "causes"), "kind of cause", a.Causes, CauseKinds())
}

func (c *checker) all(n *yaml.Node, what string, given, allowed []string) {
	for i, v := range given {
		if !slices.Contains(allowed, v) {
			c.add(at(n, i), "there is no %s %q; the kinds are %s", what, v, strings.Join(allowed, ", "))
		}
	}
}

// base returns the service of a process such as payment-2, or name itself. A process must be
// one of those that the scenario asks for.
func (c *checker) base(n *yaml.Node, name string, s Scenario) string {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name
	}
	number, err := strconv.Atoi(name[i+1:])
	if err != nil {
		return name
	}
	service := name[:i]
	if n != nil && (number < 1 || number > s.Replicas[service]) {
		c.add(n, "%s does not run in this scenario; ask for it with `replicas: {%s: %d}`", name, service, max(number, 2))
	}
	return service
}

func (c *checker) service(n *yaml.Node, name string, known Known) {
	if name == "" {
		c.add(n, "the name of a service is missing")
		return
	}
	if _, ok := known[name]; known != nil && !ok {
		c.add(n, "there is no service %q; the services are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
}

func (c *checker) operation(n *yaml.Node, what, service, name string, known Known) {
	if all, ok := known[service]; ok && !slices.Contains(all, name) {
		c.add(n, "%s has no %s %q; it has %s", service, what, name, strings.Join(all, ", "))
	}
}
