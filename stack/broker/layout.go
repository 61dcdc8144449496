package broker

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// never is the flexible version of requests that have none.
const never = math.MaxInt16

// layouts has the requests that kfake handles. Each has the version from which it is flexible,
// and its fields:
//
//	1 2 4 8 16   a number or an ID of that many bytes
//	s b          a string, bytes
//	[x] {x y}    an array of x, a structure
//	?{x y}       a structure that may be missing
//
// A suffix says when a field is there: ":3+" from version 3, ":0-12" up to 12, "#1" as the
// tagged field 1. A number with the suffix "<60000" is lowered to that, and one with "!60000" as
// well: it is the time in milliseconds for which kfake may keep the request.
var layouts = sync.OnceValue(func() map[kmsg.Key]layout {
	out := map[kmsg.Key]layout{}
	for key, l := range map[kmsg.Key]struct {
		flexible int16
		fields   string
	}{
		kmsg.Produce:                      {9, "s:3+ 2 4 [{ s:0-12 16:13+ [{ 4 b }] }]"},
		kmsg.Fetch:                        {12, "s#0 4:0-14 { 4 8 }#1 4!60000 4 4:3+<16777216 1:4+ 4:7+ 4:7+ [{ s:0-12 16:13+ [{ 4 4:9+ 8 4:12+ 8:5+ 4 16#0 8#1 }] }] [{ s:7-12 16:13+ [4] }]:7+ s:11+"},
		kmsg.ListOffsets:                  {6, "4 1:2+ [{ s [{ 4 4:4+ 8 4:0-0 }] }] 4:10+"},
		kmsg.Metadata:                     {9, "[{ 16:10+ s }] 1:4+ 1:8-10 1:8+"},
		kmsg.OffsetCommit:                 {8, "s 4:1+ s:1+ s:7+ 8:2-4 [{ s:0-9 16:10+ [{ 4 8 8:1-1 4:6+ s }] }]"},
		kmsg.OffsetFetch:                  {6, "s:0-7 [{ s [4] }]:0-7 [{ s s:9+ 4:9+ [{ s:8-9 16:10+ [4] }] }]:8+ 1:7+"},
		kmsg.FindCoordinator:              {3, "s:0-3 1:1+ [s]:4+"},
		kmsg.JoinGroup:                    {6, "s 4 4:1+!300000 s s:5+ s [{ s b }] s:8+"},
		kmsg.Heartbeat:                    {4, "s 4 s s:3+"},
		kmsg.LeaveGroup:                   {4, "s s:0-2 [{ s s s:5+ }]:3+"},
		kmsg.SyncGroup:                    {4, "s 4 s s:3+ s:5+ s:5+ [{ s b }]"},
		kmsg.DescribeGroups:               {5, "[s] 1:3+"},
		kmsg.ListGroups:                   {3, "[s]:4+ [s]:5+"},
		kmsg.SASLHandshake:                {never, "s"},
		kmsg.ApiVersions:                  {3, "s:3+ s:3+ s:5+ 4:5+"},
		kmsg.CreateTopics:                 {5, "[{ s 4 2 [{ 4 [4] }] [{ s s }] }] 4 1:1+"},
		kmsg.DeleteTopics:                 {4, "[s]:0-5 [{ s 16 }]:6+ 4"},
		kmsg.DeleteRecords:                {2, "[{ s [{ 4 8 }] }] 4"},
		kmsg.InitProducerID:               {2, "s 4 8:3+ 2:3+"},
		kmsg.OffsetForLeaderEpoch:         {4, "4:3+ [{ s [{ 4 4:2+ 4 }] }]"},
		kmsg.AddPartitionsToTxn:           {3, "s:0-3 8:0-3 2:0-3 [{ s [4] }]:0-3 [{ s 8 2 1 [{ s [4] }] }]:4+"},
		kmsg.AddOffsetsToTxn:              {3, "s 8 2 s"},
		kmsg.EndTxn:                       {3, "s 8 2 1"},
		kmsg.WriteTxnMarkers:              {1, "[{ 8 2 1 [{ s [4] }] 4 1:2+ }]"},
		kmsg.TxnOffsetCommit:              {3, "s s 8 2 4:3+ s:3+ s:3+ [{ s:0-5 16:6+ [{ 4 8 4:2+ s }] }]"},
		kmsg.DescribeACLs:                 {2, "1 s 1:1+ s s 1 1"},
		kmsg.CreateACLs:                   {2, "[{ 1 s 1:1+ s s 1 1 }]"},
		kmsg.DeleteACLs:                   {2, "[{ 1 s 1:1+ s s 1 1 }]"},
		kmsg.DescribeConfigs:              {4, "[{ 1 s [s] }] 1:1+ 1:3+"},
		kmsg.AlterConfigs:                 {2, "[{ 1 s [{ s s }] }] 1"},
		kmsg.AlterReplicaLogDirs:          {2, "[{ s [{ s [4] }] }]"},
		kmsg.DescribeLogDirs:              {2, "[{ s [4] }]"},
		kmsg.SASLAuthenticate:             {2, "b"},
		kmsg.CreatePartitions:             {2, "[{ s 4 [{ [4] }] }] 4 1"},
		kmsg.DeleteGroups:                 {2, "[s]"},
		kmsg.ElectLeaders:                 {2, "1:1+ [{ s [4] }] 4"},
		kmsg.IncrementalAlterConfigs:      {1, "[{ 1 s [{ s 1 s }] }] 1"},
		kmsg.AlterPartitionAssignments:    {0, "4 1:1+ [{ s [{ 4 [4] }] }]"},
		kmsg.ListPartitionReassignments:   {0, "4 [{ s [4] }]"},
		kmsg.OffsetDelete:                 {never, "s [{ s [{ 4 }] }]"},
		kmsg.DescribeClientQuotas:         {1, "[{ s 1 s }] 1"},
		kmsg.AlterClientQuotas:            {1, "[{ [{ s s }] [{ s 8 1 }] }] 1"},
		kmsg.DescribeUserSCRAMCredentials: {0, "[{ s }]"},
		kmsg.AlterUserSCRAMCredentials:    {0, "[{ s 1 }] [{ s 1 4 b b }]"},
		kmsg.UpdateFeatures:               {0, "4 [{ s 2 1:0-0 1:1+ }] 1:1+"},
		kmsg.DescribeCluster:              {0, "1 1:1+ 1:2+"},
		kmsg.DescribeProducers:            {0, "[{ s [4] }]"},
		kmsg.DescribeTransactions:         {0, "[s]"},
		kmsg.ListTransactions:             {0, "[s] [8] 8:1+ s:2+"},
		kmsg.ConsumerGroupHeartbeat:       {0, "s s 4 s s 4<300000 [s] s:1+ s [{ 16 [4] }]"},
		kmsg.ConsumerGroupDescribe:        {0, "[s] 1"},
		kmsg.GetTelemetrySubscriptions:    {0, "16"},
		kmsg.PushTelemetry:                {0, "16 4 1 1 b"},
		kmsg.ListConfigResources:          {0, "[1]:1+"},
		kmsg.DescribeTopicPartitions:      {0, "[{ s }] 4 ?{ s 4 }"},
		kmsg.ShareGroupHeartbeat:          {0, "s s 4 s [s]"},
		kmsg.ShareGroupDescribe:           {0, "[s] 1"},
		kmsg.ShareFetch:                   {0, "s s 4 4!60000 4 4<16777216 4:1+ 4:1+ 1:2+ 1:2+ [{ 16 [{ 4 4:0-0 [{ 8 8 [1] }] }] }] [{ 16 [4] }]"},
		kmsg.ShareAcknowledge:             {0, "s s 4 1:2+ [{ 16 [{ 4 [{ 8 8 [1] }] }] }]"},
		kmsg.DescribeShareGroupOffsets:    {0, "[{ s [{ s [4] }] }]"},
		kmsg.AlterShareGroupOffsets:       {0, "s [{ s [{ 4 8 }] }]"},
		kmsg.DeleteShareGroupOffsets:      {0, "s [{ s }]"},
	} {
		p := parser{rest: strings.Fields(strings.NewReplacer("[", " [ ", "]", " ]", "{", "{ ", "}", " }").Replace(l.fields))}
		out[key] = layout{l.flexible, p.fields("")}
	}
	return out
})

// layout is the layout of a kind of request.
type layout struct {
	flexible int16 // first flexible version
	fields   []field
}

// field is a field of a structure, or what an array has.
type field struct {
	kind     byte  // n a number, s a string, b bytes, [ an array, { a structure, ? one that may be missing
	size     int   // of a number, in bytes
	most     int32 // of a number
	waits    bool  // the number is a time to wait
	from, to int16 // versions
	tag      int   // of a tagged field, otherwise -1
	inner    []field
}

// parser reads the fields of a layout.
type parser struct{ rest []string }

// fields reads fields up to a token that begins with end.
func (p *parser) fields(end string) (out []field) {
	for len(p.rest) > 0 && (end == "" || !strings.HasPrefix(p.rest[0], end)) {
		out = append(out, p.field())
	}
	return out
}

func (p *parser) next() string {
	token := p.rest[0]
	p.rest = p.rest[1:]
	return token
}

func (p *parser) field() field {
	f := field{to: math.MaxInt16, most: math.MaxInt32, tag: -1}
	token := p.next()
	switch token {
	case "[", "{", "?{":
		end := map[string]string{"[": "]", "{": "}", "?{": "}"}[token]
		f.kind, f.inner = token[0], p.fields(end)
		f.suffix(strings.TrimPrefix(p.next(), end))
		return f
	}
	at := strings.IndexAny(token, ":#<!")
	if at < 0 {
		at = len(token)
	}
	if f.kind = token[0]; f.kind != 's' && f.kind != 'b' {
		f.kind, f.size = 'n', number(token[:at])
	}
	f.suffix(token[at:])
	return f
}

// suffix reads what follows a field.
func (f *field) suffix(s string) {
	for s != "" {
		mark, end := s[0], strings.IndexAny(s[1:], ":#<!")+1
		if end == 0 {
			end = len(s)
		}
		value := s[1:end]
		switch s = s[end:]; mark {
		case '#':
			f.tag = number(value)
		case '<', '!':
			f.most, f.waits = int32(number(value)), mark == '!'
		default:
			from, to, bounded := strings.Cut(strings.TrimSuffix(value, "+"), "-")
			if f.from = int16(number(from)); bounded {
				f.to = int16(number(to))
			}
		}
	}
}

// number parses a number of a layout.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(fmt.Sprintf("broker: a layout has %q for a number", s)) // layouts are constant
	}
	return n
}
