// Package jaegercontract pins the real Jaeger against which the contract test of
// stack/ (TestSameAnswersAsJaeger) holds the embedded query API. It is a module
// of its own, outside the workspace, because Jaeger needs other versions of
// shared libraries than tenhop does. To build it, about six minutes on two cores
// the first time:
//
//	cd stack/jaegercontract && GOWORK=off go build -o /tmp/jaeger github.com/jaegertracing/jaeger/cmd/jaeger
//	cd ../.. && TENHOP_JAEGER_BIN=/tmp/jaeger go test -run SameAnswersAsJaeger -v ./stack
//
// With TENHOP_JAEGER_BUILD=1 the test builds it by itself.
package jaegercontract
