#!/usr/bin/env bash
# check.sh - everything that must hold before a change lands, step by step; it ends at the first step that fails, and repeats nothing.
#   ./contrib/check.sh             all steps
#   ./contrib/check.sh STEP ...    these only (a step may need what an earlier one built)
#   ./contrib/check.sh --list      their names
# AEGIS_TEST_SCALE=ci|full sizes the long tests (default ci).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=contrib/needs.sh
. contrib/needs.sh

export AEGIS_TEST_SCALE=${AEGIS_TEST_SCALE:-ci}
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-2}
logs=build/check
fuzz_seconds=30
[ "$AEGIS_TEST_SCALE" = ci ] || fuzz_seconds=600

all_steps="needs tools unit clang asan release npm node tidy cppcheck fuzz"

step_needs() { need "$build_needs$test_needs"; }

step_tools() {
	node --test tests/tools/
	node tests/tools/layers.mjs
	node tests/tools/sizes.mjs
	node tests/tools/toplevel.mjs
}

build() { # PRESET [OPTION...]
	cmake --preset "$@" >/dev/null
	cmake --build --preset "$1" -- --quiet
}

step_unit() {
	build dev
	ctest --preset dev
}

step_clang() { build clang -DCMAKE_C_COMPILER="$(llvm_tool clang)"; }

step_asan() {
	build asan
	ctest --preset asan
}

step_release() {
	build release
	contrib/try.sh
}

# The Python SDK comes too, where a package index answers; it says whether.
step_npm() { (cd tests && npm ci --no-audit --no-fund --loglevel=error && npm run --silent python); }

# Against the sanitized programs; memory is measured on the released ones.
step_node() {
	(cd tests && AEGIS_BIN=build/asan/bin AEGIS_BIN_PLAIN=build/release/bin npm run --silent all)
}

# One file a process, two at a time; the checks and why some are off: .clang-tidy.
step_tidy() {
	local files
	files=$(git ls-files 'shared/*.c' 'shim/*.c' 'broker/*.c' 'contrib/*.c')
	# shellcheck disable=SC2086 # words are wanted
	printf '%s\n' $files | xargs -n 1 -P 2 "$(llvm_tool clang-tidy)" -p build/clang --quiet
}

# Off, each for its reason:
#   missingIncludeSystem   cppcheck does not read system headers
#   ctuuninitvar           takes handing &x to a function that fills x for a read of x
#   unusedFunction         is not asked for: it judges one program at a time, shared/ serves several
step_cppcheck() {
	mkdir -p build/cppcheck
	cppcheck --version
	cppcheck --project=build/dev/compile_commands.json --cppcheck-build-dir=build/cppcheck -j 2 --quiet \
		-i tests -i build --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem --suppress=ctuuninitvar
}

fuzz_one() { # PROGRAM: its corpus is only read, new inputs go below build/
	local name=${1##*/}
	mkdir -p "build/fuzz/corpus/$name"
	"$1" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" "tests/fuzz/$name" >"build/fuzz/$name.log" 2>&1 ||
		{ tail -n 40 "build/fuzz/$name.log"; say "$name: an input that breaks it lies in build/fuzz/"; return 255; }
	say "$name: $(grep number_of_executed_units "build/fuzz/$name.log" | tr -dc 0-9) inputs in $fuzz_seconds s, none breaks it"
}

step_fuzz() {
	build fuzz -DCMAKE_C_COMPILER="$(llvm_tool clang)"
	export -f fuzz_one say
	export fuzz_seconds
	# shellcheck disable=SC2016 # for the inner shell
	find build/fuzz/bin -name 'fuzz_*' -type f -print0 | sort -z | xargs -0 -n 1 -P 2 bash -c 'fuzz_one "$1"' _
}

# Runs a step in a shell of its own, so that its first failing command ends it.
run_step() { # NAME NUMBER OF
	local name=$1 start=$SECONDS
	say "== [$2/$3] $name"
	set +e
	(set -e; "step_$name") 2>&1 | tee "$logs/$name.log"
	local status=${PIPESTATUS[0]}
	set -e
	[ "$status" = 0 ] || {
		say "== $name failed after $((SECONDS - start)) s (exit $status). To repeat it: ./contrib/check.sh $name"
		exit 1
	}
	say "== $name: ok, $((SECONDS - start)) s"
}

# What the test runners said last, once more at the end.
print_summaries() {
	local log
	for log in unit asan; do
		[ ! -f "$logs/$log.log" ] || grep -E 'tests passed' "$logs/$log.log"
	done
	for log in tools node; do
		[ ! -f "$logs/$log.log" ] || grep -E '^(#|ℹ) (tests|pass|fail|cancelled|skipped|todo) ' "$logs/$log.log"
	done
}

main() {
	local steps=${*:-$all_steps} name number=0 count
	[ "$steps" != --list ] || { say "$all_steps" | tr ' ' '\n'; return; }
	count=$(wc -w <<<"$steps")
	for name in $steps; do
		declare -f "step_$name" >/dev/null || die "no step '$name'; there are: $all_steps"
	done
	rm -rf "$logs" && mkdir -p "$logs"
	say "check: $count steps, AEGIS_TEST_SCALE=$AEGIS_TEST_SCALE, $(uname -sm)"
	for name in $steps; do
		number=$((number + 1))
		run_step "$name" "$number" "$count"
	done
	say "== all $count steps ok, $SECONDS s"
	print_summaries
}
main "$@"
