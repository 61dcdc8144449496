package setup

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// otlpSettings are a signal's OTEL_EXPORTER_OTLP_* variables. The exporters read them too,
// each a little differently: all get the same settings as options, which win.
type otlpSettings struct {
	http     bool     // http/protobuf instead of grpc, the default
	endpoint *url.URL // with the signal's path if http
	plain    bool     // without TLS
	gzip     bool
	headers  map[string]string
	timeout  time.Duration
	tls      *tls.Config // nil without TLS
}

// otlpVariable returns the variable of a signal, such as TRACES, that is set: its own or the general one.
func otlpVariable(signal, setting string) string {
	if own := "OTEL_EXPORTER_OTLP_" + signal + "_" + setting; getenv(own) != "" {
		return own
	}
	return "OTEL_EXPORTER_OTLP_" + setting
}

// otlpSettingsOf reads the settings of a signal: TRACES, METRICS or LOGS.
func otlpSettingsOf(signal string) (otlpSettings, error) {
	s := otlpSettings{
		http:    enum(otlpVariable(signal, "PROTOCOL"), "grpc") == "http/protobuf",
		gzip:    enum(otlpVariable(signal, "COMPRESSION"), "none") == "gzip",
		timeout: timeout(otlpVariable(signal, "TIMEOUT"), 10*time.Second),
		headers: map[string]string{},
	}
	all, err := pairs(getenv(otlpVariable(signal, "HEADERS")))
	if err != nil {
		return s, fmt.Errorf("setup: %s: %w", otlpVariable(signal, "HEADERS"), err)
	}
	for _, p := range all {
		s.headers[p.key] = p.value
	}
	if err := s.setEndpoint(signal); err != nil || s.plain {
		return s, err
	}
	return s, s.setCertificates(signal)
}

// setEndpoint sets the endpoint. A scheme decides about TLS; OTEL_EXPORTER_OTLP_INSECURE is for an
// endpoint without one, the default.
func (s *otlpSettings) setEndpoint(signal string) error {
	name := otlpVariable(signal, "ENDPOINT")
	given := getenv(name)
	if given == "" {
		s.plain = truth(otlpVariable(signal, "INSECURE"))
		s.endpoint = &url.URL{Scheme: "https", Host: "localhost:4317"}
		if s.plain {
			s.endpoint.Scheme = "http"
		}
		if s.http {
			s.endpoint.Host, s.endpoint.Path = "localhost:4318", "/v1/"+strings.ToLower(signal)
		}
		return nil
	}
	u, err := url.Parse(given)
	if err != nil {
		return fmt.Errorf("setup: %s: the endpoint is not a URL", name)
	}
	s.endpoint, s.plain = u, u.Scheme != "https"
	switch {
	case !s.http:
	case u.Scheme == "unix":
		return fmt.Errorf("setup: %s: a unix socket is for gRPC; set %s=grpc", name, otlpVariable(signal, "PROTOCOL"))
	case name == "OTEL_EXPORTER_OTLP_ENDPOINT":
		s.endpoint = u.JoinPath("v1", strings.ToLower(signal))
	case u.Path == "":
		u.Path = "/"
	}
	return nil
}

// target returns the endpoint as gRPC writes it.
func (s *otlpSettings) target() string {
	if s.endpoint.Scheme == "unix" {
		return s.endpoint.String()
	}
	return s.endpoint.Host
}

// setCertificates loads the certificates. A file that is not PEM is an error.
func (s *otlpSettings) setCertificates(signal string) error {
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if name := otlpVariable(signal, "CERTIFICATE"); getenv(name) != "" {
		pem, err := os.ReadFile(getenv(name))
		if err != nil {
			return fmt.Errorf("setup: %s: %w", name, err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("setup: %s: %s has no certificate; give a PEM file", name, getenv(name))
		}
	}
	// The two belong together: those of the signal, else the general ones.
	prefix := "OTEL_EXPORTER_OTLP_" + signal + "_"
	if getenv(prefix+"CLIENT_CERTIFICATE") == "" {
		prefix = "OTEL_EXPORTER_OTLP_"
	}
	if cert, key := getenv(prefix+"CLIENT_CERTIFICATE"), getenv(prefix+"CLIENT_KEY"); cert != "" && key != "" {
		own, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("setup: %sCLIENT_CERTIFICATE and %sCLIENT_KEY: %w; give the PEM files of a certificate and its key", prefix, prefix, err)
		}
		s.tls.Certificates = []tls.Certificate{own}
	}
	return nil
}

func (s *otlpSettings) credentials() credentials.TransportCredentials {
	if s.plain {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(s.tls)
}

// noTXT omits gRPC's DNS query for a service config, which no collector has. The query
// holds a connection that is closed for as long as the name server is silent.
var noTXT = grpc.WithDisableServiceConfig()

func (s *otlpSettings) compressor() string {
	if s.gzip {
		return "gzip"
	}
	return "none"
}

func otlpTraces() (otlptrace.Client, error) {
	s, err := otlpSettingsOf("TRACES")
	switch {
	case err != nil:
		return nil, err
	case s.http:
		compression := otlptracehttp.NoCompression
		if s.gzip {
			compression = otlptracehttp.GzipCompression
		}
		return otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(s.endpoint.String()), otlptracehttp.WithHeaders(s.headers),
			otlptracehttp.WithTimeout(s.timeout), otlptracehttp.WithCompression(compression), otlptracehttp.WithTLSClientConfig(s.tls)), nil
	}
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(s.target()), otlptracegrpc.WithHeaders(s.headers),
		otlptracegrpc.WithTimeout(s.timeout), otlptracegrpc.WithTLSCredentials(s.credentials()), otlptracegrpc.WithDialOption(noTXT),
	}
	if s.gzip {
		options = append(options, otlptracegrpc.WithCompressor("gzip")) // it has no word for none
	}
	return otlptracegrpc.NewClient(options...), nil
}

func otlpLogs(ctx context.Context) (sdklog.Exporter, error) {
	s, err := otlpSettingsOf("LOGS")
	switch {
	case err != nil:
		return nil, err
	case s.http:
		compression := otlploghttp.NoCompression
		if s.gzip {
			compression = otlploghttp.GzipCompression
		}
		return otlploghttp.New(ctx, otlploghttp.WithEndpointURL(s.endpoint.String()), otlploghttp.WithHeaders(s.headers),
			otlploghttp.WithTimeout(s.timeout), otlploghttp.WithCompression(compression), otlploghttp.WithTLSClientConfig(s.tls))
	}
	return otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(s.target()), otlploggrpc.WithHeaders(s.headers),
		otlploggrpc.WithTimeout(s.timeout), otlploggrpc.WithCompressor(s.compressor()), otlploggrpc.WithTLSCredentials(s.credentials()), otlploggrpc.WithDialOption(noTXT))
}

func otlpMetrics(ctx context.Context) (metric.Exporter, error) {
	s, err := otlpSettingsOf("METRICS")
	switch {
	case err != nil:
		return nil, err
	case s.http:
		compression := otlpmetrichttp.NoCompression
		if s.gzip {
			compression = otlpmetrichttp.GzipCompression
		}
		return otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(s.endpoint.String()), otlpmetrichttp.WithHeaders(s.headers),
			otlpmetrichttp.WithTimeout(s.timeout), otlpmetrichttp.WithCompression(compression), otlpmetrichttp.WithTLSClientConfig(s.tls))
	}
	options := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithEndpoint(s.target()), otlpmetricgrpc.WithHeaders(s.headers),
		otlpmetricgrpc.WithTimeout(s.timeout), otlpmetricgrpc.WithTLSCredentials(s.credentials()), otlpmetricgrpc.WithDialOption(noTXT),
	}
	if s.gzip {
		options = append(options, otlpmetricgrpc.WithCompressor("gzip")) // it has no word for none
	}
	return otlpmetricgrpc.New(ctx, options...)
}

// endpointOf returns the endpoint of a signal for a log line, without a password.
func endpointOf(signal string) string {
	variant := map[string]string{"spans": "TRACES", "log records": "LOGS", "metrics": "METRICS"}[signal]
	if variant == "" {
		return "the writer of the log lines"
	}
	e := cmp.Or(getenv(otlpVariable(variant, "ENDPOINT")), "https://localhost (OTEL_EXPORTER_OTLP_ENDPOINT is not set)")
	if u, err := url.Parse(e); err == nil {
		return u.Redacted()
	}
	return e
}
