package signals

// Series about scrape targets and processes.
const (
	ScrapeUp       = "up"                         // 1 if a scrape was answered; written by Prometheus
	ScrapeDuration = "scrape_duration_seconds"    // written by Prometheus
	ProcessStart   = "process_start_time_seconds" // Unix time; Prometheus client libraries

	// Time for which a timer of the process was late; the middleware's.
	ProcessStall = "hop_process_stall_seconds_total"

	// Messages that a hop is handling, by operation; the middleware's.
	HopActive    = "hop_active_requests"
	HopOldestAge = "hop_oldest_request_age_seconds"
)

// InFlight returns the gauges of requests that a service is handling, by convention.
func InFlight() []string {
	return []string{
		"http_server_active_requests",                      // OpenTelemetry semantic conventions
		"rpc_server_active_requests",                       // the middleware
		"http_server_requests_active_seconds_gcount",       // Micrometer
		"http_server_requests_active_seconds_active_count", // Micrometer before 1.13
	}
}
