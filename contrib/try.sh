#!/usr/bin/env bash
# try.sh - builds Aegis and shows it at work: a demo backend, a broker, two agents, real shims, every step as a command to paste.
#   ./contrib/try.sh           runs through and cleans up
#   ./contrib/try.sh --keep    leaves backend and rules in place and says how to end them
# Asks nothing. Exit code 1 when a step does not come out as it should.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=contrib/needs.sh
. contrib/needs.sh

keep=no
case "${1:-}" in
"") ;;
--keep) keep=yes ;;
*) sed -n '2,5s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0 || exit 2 ;;
esac

server=""
broker=""
place=""
clean_up() {
	set +e
	[ "$keep" = no ] || return
	[ -z "$broker" ] || { kill "$broker"; wait "$broker"; } 2>/dev/null
	[ -z "$server" ] || { kill "$server"; wait "$server"; } 2>/dev/null
	[ -z "$place" ] || rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold="" plain=""
[ ! -t 1 ] || bold=$'\033[1m' plain=$'\033[0m'
heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

output="" # of the last command shown
# expect CODE PATTERN COMMAND: shows the command and its output; both must be as expected.
expect() {
	local wanted=$1 pattern=$2 command=$3 code=0
	printf '$ %s\n' "$command"
	output=$(eval "$command" 2>&1) || code=$?
	printf '%s\n' "$output"
	[ "$code" = "$wanted" ] || die "exit code $code, where $wanted was expected"
	grep -Eq -- "$pattern" <<<"$output" || die "the output does not hold what was expected: $pattern"
}
build() {
	need "$build_needs"
	say "building (build/release) ..."
	cmake --preset release >/dev/null
	cmake --build --preset release --target aegis-shim aegis-broker aegisctl aegis-demo-server -- --quiet
	PATH="$PWD/build/release/bin:$PATH"
}

# until_there PATTERN FILE WHAT: waits for a line, ten seconds at the most.
until_there() {
	local i
	for ((i = 0; i < 200; i++)); do
		grep -Eqs -- "$1" "$2" && return 0
		sleep 0.05
	done
	die "$3: $(cat "$2" 2>/dev/null)"
}

start_backend() {
	local i
	place=$(mktemp -d "${TMPDIR:-/tmp}/aegis-try.XXXXXX")
	: >"$place/backend"
	aegis-demo-server >>"$place/backend" 2>&1 </dev/null &
	server=$!
	for ((i = 0; i < 200; i++)); do
		url=$(sed -n 's/^listening on //p' "$place/backend")
		[ -z "$url" ] || return 0
		kill -0 "$server" 2>/dev/null || die "the demo backend did not start: $(cat "$place/backend")"
		sleep 0.05
	done
	die "the demo backend does not say where it listens"
}

write_rules() {
	cat >"$place/aegis.yaml" <<-RULES
	state_dir: state
	backends:
	  demo: { url: "$url" }
	approval:
	  notify: { command: ["/bin/sh", "-c", "cat >>'$place/told'; echo >>'$place/told'"] }
	queue:
	  demo:
	    global_rate_limits:                 # over all agents together
	      publish_post: { window: 1h, max_count: 2 }
	agents:
	  claude-code:
	    backends:
	      demo:
	        allowed: true
	        tool_denylist: ["admin_*"]
	        rate_limits:
	          get_weather: { window: 1m, max_count: 3 }
	  cursor:
	    backends:
	      demo: { allowed: true, tool_denylist: ["admin_*"], approval_required: ["echo"] }
	RULES
	chmod 600 "$place/aegis.yaml"
	export AEGIS_CONFIG="$place/aegis.yaml"
}

show_list() {
	heading "1. An agent sees four of the backend's five tools, with its limits in their descriptions"
	expect 0 '^get_weather +\[Rate:3/1m\] ' 'aegisctl call claude-code --list'
	[ "$(wc -l <<<"$output")" -eq 5 ] || die "four tools and a heading were expected"
	! grep -q admin_reset <<<"$output" || die "admin_reset should be hidden"
	grep -q '^publish_post  \[GlobalRate:2/1h\] ' <<<"$output" || die "the global limit is not in the description"
}

show_rules() {
	heading "2. An allowed call, and one that a rule refuses"
	expect 0 '^hello$' "aegisctl call claude-code echo '{\"message\": \"hello\"}'"
	expect 3 '\(-32001\)' 'aegisctl call claude-code admin_reset'
}

show_rate() {
	heading "3. Three calls a minute, and not a fourth"
	local i
	for i in 1 2 3; do
		expect 0 '^Tokyo: ' "aegisctl call claude-code get_weather '{\"city\": \"Tokyo\"}'"
	done
	expect 4 '\(-32002\)' "aegisctl call claude-code get_weather '{\"city\": \"Tokyo\"}'"
}

show_shared() {
	heading "4. Two posts an hour for all agents together: each call below is a process of its own"
	expect 0 'published #1' "aegisctl call claude-code publish_post '{\"title\": \"One\", \"content\": \"by claude-code\"}'"
	expect 0 'published #2' "aegisctl call cursor publish_post '{\"title\": \"Two\", \"content\": \"by cursor\"}'"
	expect 4 '\(-32002\)' "aegisctl call claude-code publish_post '{\"title\": \"Three\", \"content\": \"too many\"}'"
	expect 0 '^#2 Two' 'aegisctl call cursor list_posts'
	expect 0 '^global .* publish_post +1h +2 +0 +2 ' 'aegisctl limits'
}

show_raw() {
	heading "5. The same without aegisctl: what an MCP client sends and gets"
	expect 0 '"code":-32001' "(printf '%s\\n' \\
  '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"you\",\"version\":\"1\"}}}' \\
  '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}' \\
  '{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"admin_reset\"}}'; sleep 1) |
  aegis-shim --agent cursor --log-level error"
}

show_approval() {
	local command id call
	heading "6. A person has to agree: the broker tells of it (here: to a command that writes a file), the call waits for the word"
	say '$ aegis-broker &'
	aegis-broker 2>"$place/broker" &
	broker=$!
	until_there ' broker\.ready ' "$place/broker" "the broker does not start"
	command="aegisctl call cursor echo '{\"message\": \"May I?\"}'"
	say "\$ $command &"
	aegisctl call cursor echo '{"message": "May I?"}' >"$place/answer" 2>&1 &
	call=$!
	until_there approval_request "$place/told" "nobody was told"
	expect 0 'APR-.* is needed: echo' "sed -n 's/.*\"text\":\"\([^\"]*\)\".*/\1/p' '$place/told'"
	expect 0 '^approvals 1 pending' 'aegisctl status'
	id=$(grep -o -m1 'APR-[0-9A-Z]*' "$place/told" | head -1)
	expect 0 'approved' "aegisctl approvals approve $id"
	wait "$call" || die "the call was not executed: $(cat "$place/answer")"
	expect 0 '^May I\?$' "cat '$place/answer'"
}

show_audit() {
	heading "7. All of it is on record"
	expect 0 'refused +claude-code +demo +admin_reset +denied' 'aegisctl audit list --limit 60'
}

farewell() {
	heading "Done in $((SECONDS - begun)) s"
	if [ "$keep" = yes ]; then
		say "Left in place: $place, the backend, process $server, and the broker, process $broker. To end them:"
		say "  kill $broker $server; rm -r $place"
	else
		say "Everything was removed again; --keep leaves it in place."
	fi
	say "Next: README.md, \"A first configuration\"."
}

build
begun=$SECONDS
start_backend
write_rules
heading "To follow in another terminal"
say "export PATH=\"$PWD/build/release/bin:\$PATH\" AEGIS_CONFIG=\"$AEGIS_CONFIG\""
say ""
sed 's/^/  /' "$AEGIS_CONFIG"
show_list
show_rules
show_rate
show_shared
show_raw
show_approval
show_audit
farewell
