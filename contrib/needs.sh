# needs - what building and testing need, and how it is installed: apt on Debian 12, brew on macOS. Sourced by try.sh and check.sh.
# Asked for by what it gives (a command, a library), not by package, so that what came from elsewhere counts too.
# shellcheck shell=bash disable=SC2034 # the lists are used by who sources this

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
has_library() { has pkg-config && pkg-config --atleast-version="$2" "$1"; }

# Homebrew keeps these out of the usual places, because macOS ships older ones.
if [ "$(uname)" = Darwin ] && has brew; then
	for keg in curl sqlite libarchive openssl@3; do
		PKG_CONFIG_PATH="$(brew --prefix)/opt/$keg/lib/pkgconfig:${PKG_CONFIG_PATH:-}"
	done
	export PKG_CONFIG_PATH
	PATH="$PATH:$(brew --prefix)/opt/llvm/bin"
fi

# The newest name of an LLVM tool that is here: Debian's carry a version.
llvm_tool() {
	local name
	for name in "$1-14" "$1"; do
		has "$name" && { printf '%s\n' "$name"; return; }
	done
	return 1
}
has_llvm() { llvm_tool "$1" >/dev/null; }
has_fuzzer() {
	local clang runtime
	clang=$(llvm_tool clang) && runtime=$("$clang" --print-runtime-dir) || return 1
	[ -n "$(find "${runtime%/*}" -name 'libclang_rt.fuzzer*' -print -quit 2>/dev/null)" ]
}
has_node() { has npm && has node && [ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ]; }
has_ctags() { has ctags && ctags --version 2>/dev/null | grep -q 'Universal Ctags'; }

# One a line: how to see it, then its package for apt and for brew ("-": comes with the system).
build_needs='
has cc                            build-essential       -
has git                           git                   git
has cmake                         cmake                 cmake
has ninja                         ninja-build           ninja
has pkg-config                    pkg-config            pkgconf
has_library json-c 0.15           libjson-c-dev         json-c
has_library sqlite3 3.40          libsqlite3-dev        sqlite
has_library yaml-0.1 0.2.2        libyaml-dev           libyaml
has_library libcurl 7.85          libcurl4-openssl-dev  curl
has_library libsodium 1.0.18      libsodium-dev         libsodium
has_library libmicrohttpd 0.9.75  libmicrohttpd-dev     libmicrohttpd
has_library libcrypto 3           libssl-dev            openssl@3
has_library check 0.15            check                 check
'
test_needs='
has_node                          nodejs,npm            node
has_ctags                         universal-ctags       universal-ctags
has_llvm clang                    clang-14              llvm
has_fuzzer                        libclang-rt-14-dev    llvm
has_llvm llvm-symbolizer          llvm-14               llvm
has_llvm clang-tidy               clang-tidy-14         llvm
has cppcheck                      cppcheck              cppcheck
has sqlite3                       sqlite3               sqlite
has unshare                       util-linux            -
has faketime                      faketime              libfaketime
has openssl                       openssl               openssl
has chromium                      chromium              -
has zsh                           zsh                   -
has fish                          fish                  fish
'

# Packages of a list that are missing, on one line, from the column for apt (1) or brew (2).
missing() {
	local list=$1 column=$2 line names
	printf '%s' "$list" | while read -r line || [ -n "$line" ]; do
		[ -n "$line" ] || continue
		# shellcheck disable=SC2086 # words are wanted
		set -- $line
		names="${*: -2:1} ${*: -1:1}"
		"${@:1:$#-2}" || printf '%s\n' "$names" | cut -d' ' -f"$column" | tr , '\n'
	done | sed '/^-$/d' | sort -u | paste -sd ' ' -
}

# With a terminal it may ask for the password; without one it must do without.
may_sudo() { has sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }

install_apt() {
	local sudo=""
	if [ "$(id -u)" != 0 ]; then
		may_sudo ||
			die "only root may install, and sudo is not to be had here; as root: apt-get update && apt-get install $*"
		sudo=sudo
	fi
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# need LIST: installs what is missing of it, or stops and says why it cannot.
need() {
	local column=1 packages
	[ "$(uname)" != Darwin ] || column=2
	packages=$(missing "$1" $column)
	[ -n "$packages" ] || return 0
	say "to be installed: $packages"
	# shellcheck disable=SC2086 # words are wanted
	if has apt-get; then
		install_apt $packages
	elif has brew; then
		brew install --quiet $packages
	elif [ "$(uname)" = Darwin ]; then
		die "Homebrew is not here (https://brew.sh); please install these in another way: $packages"
	else
		die "only apt (Debian 12) and brew are known here; please install these (names of Debian): $packages"
	fi
	packages=$(missing "$1" $column)
	[ -z "$packages" ] || die "installed, and yet not found or too old: $packages"
}
