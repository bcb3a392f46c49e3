# Completion of aegisctl for fish. aegisctl itself knows what fits: see broker/ctl/complete.h.

function __aegisctl_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	set -l program $words[1]
	type -q -- $program; or set program aegisctl
	set -e words[1]
	for line in (command $program __complete $words "$current" 2>/dev/null </dev/null)
		switch $line
			case ':files'
				__fish_complete_path "$current"
			case ':folders'
				__fish_complete_directories "$current"
			case '*'
				echo $line
		end
	end
end
complete -c aegisctl -f -k -a '(__aegisctl_complete)'
