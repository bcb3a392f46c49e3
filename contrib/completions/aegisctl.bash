# Completion of aegisctl for bash (3.2 and newer). aegisctl itself knows what fits: see broker/ctl/complete.h.
# shellcheck shell=bash

_aegisctl() {
	local program=$1 line
	COMPREPLY=()
	type -P -- "$program" >/dev/null || program=aegisctl
	while IFS= read -r line; do
		case $line in
			:files | :folders)
				compopt -o filenames 2>/dev/null
				[ "$line" = :files ] && line=-f || line=-d
				while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$line" -- "$2") ;;
			*) COMPREPLY+=("${line%%$'\t'*}") ;;
		esac
	done < <("$program" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
}
complete -F _aegisctl aegisctl
