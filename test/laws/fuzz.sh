#!/usr/bin/env bash
# Holds every law, and every other fuzz target, over new inputs for FUZZTIME each (default 1m). Inputs that break one are
# kept below its testdata/fuzz, where every later test run tries them again.
set -euo pipefail
cd "$(dirname "$0")/../.."
go=${GO:-go}
time=${FUZZTIME:-1m}
for package in $(grep -rl --include='*_test.go' '^func Fuzz' api diff controllers manifests sandbox test | xargs -n1 dirname | sort -u); do
	for target in $("$go" test -list '^Fuzz' "./$package" | grep '^Fuzz'); do
		echo "$package $target"
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$package"
	done
done
