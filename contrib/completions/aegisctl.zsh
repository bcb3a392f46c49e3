#compdef aegisctl
# Completion of aegisctl for zsh. aegisctl itself knows what fits: see broker/ctl/complete.h.

_aegisctl() {
	local program=${(Q)words[1]} line
	local -a found
	whence -p -- "$program" >/dev/null || program=aegisctl
	while IFS= read -r line; do
		case $line in
			:files) _files; return ;;
			:folders) _files -/; return ;;
			*$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
			*) found+=("${line//:/\\:}") ;;
		esac
	done < <("$program" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)
	_describe -V aegisctl found
}

# Read as a file of $fpath it is the function itself; sourced, it must be registered.
if [ "${funcstack[1]}" = _aegisctl ]; then
	_aegisctl "$@"
else
	compdef _aegisctl aegisctl
fi
