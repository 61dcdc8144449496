package result

// Kinds of own time, of WhyPart.
const (
	OwnRunning  = "running"  // on a processor, or on a thread that the kernel does not run
	OwnRunnable = "runnable" // ready, and waiting for a processor of the Go scheduler
	OwnLock     = "lock"     // waiting for a mutex
	OwnChannel  = "channel"  // waiting for another goroutine: channel, select, WaitGroup or Cond
	OwnSyscall  = "syscall"  // in a system call or in C
	OwnNetwork  = "network"  // waiting for a socket or pipe, directly or by the goroutine that reads it
	OwnGC       = "gc"       // collecting garbage on behalf of its allocations, or stopped by the collector
	OwnSleep    = "sleep"    // waiting for a timer
	OwnOther    = "other"    // states that the trace does not tell
)

// Why divides the own time of a hop's slow requests: their duration without the time that
// their calls were in flight. It comes from an execution trace of the hop's process.
type Why struct {
	Instance     string    `json:"instance,omitempty"` // process that was recorded
	Seconds      float64   `json:"seconds"`            // length of the recording
	Requests     int       `json:"requests"`           // of the operation that began and ended in it
	Slow         int       `json:"slow"`               // those that Parts is about
	SlowerThanMS float64   `json:"slower_than_ms"`     // minimum own time of a slow request
	OwnMS        float64   `json:"own_ms"`             // mean own time of a slow request
	Parts        []WhyPart `json:"parts"`              // in descending order
	Unseen       []string  `json:"unseen,omitempty"`   // limits of what the recording shows, one sentence each
}

// WhyPart is the time of one kind.
type WhyPart struct {
	Kind  string  `json:"kind"`
	MS    float64 `json:"ms"`    // mean of a slow request
	Share float64 `json:"share"` // of the own time

	// Stack is where most of the time is spent, the innermost frame first. Frames of the Go
	// runtime and of the middleware are left out. By is the stack of the goroutine that most
	// often ended the wait, such as the holder of the lock.
	Stack      []string `json:"stack,omitempty"`
	StackShare float64  `json:"stack_share,omitempty"` // of the part's time
	By         []string `json:"by,omitempty"`
}
