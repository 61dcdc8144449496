#!/bin/sh
# Run the pinned linter in each module of go.work: golangci-lint sees one module at a time.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
status=0
for module in $(cd "$root" && go list -m -f '{{.Dir}}' ); do
	echo "lint ${module#"$root"}/"
	(cd "$module" && "$root/bin/golangci-lint" run --config "$root/.golangci.yml" ./...) || status=1
done
exit $status
