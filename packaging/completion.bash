# Completion of drtest for bash. Commands and options come from the program's own help, so that they are never older than it. Run as a
# script with the words up to the cursor, it prints what could stand there, one a line: so zsh and fish ask.
_drtest() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]-} help
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "--help --version $("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')" -- "$word")
		return
	fi
	case $before in
	--on) mapfile -t COMPREPLY < <(compgen -W "local playground attach" -- "$word"); return ;;
	--scenario)
		mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" list 2>/dev/null | sed -n 's#^[^ ].*/\([a-z_]*\)\.lua$#\1#p')" -- "$word")
		return
		;;
	--verdict) mapfile -t COMPREPLY < <(compgen -W "pass fail unknown error interrupted" -- "$word"); return ;;
	--set)
		compopt -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" list 2>/dev/null | sed -n 's/^ *--set \([a-z_]*=\).*/\1/p' | sort -u)" -- "$word")
		return
		;;
	-*) # its value, by the help: "--mode merge|txn", "--out DIR", "--seed N"
		help=$("${COMP_WORDS[0]}" "$command" --help 2>&1 | sed -n "s/^  \(-[a-z], \)\{0,1\}$before \([^ ][^ ]*\).*/\2/p")
		case $help in
		*FILE) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
		*DIR) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
		*[A-Z]*) ;;
		*'|'*) mapfile -t COMPREPLY < <(compgen -W "${help//|/ }" -- "$word") ;;
		esac
		[ -z "$help" ] || return
		;;
	esac
	if [[ $word == -* ]]; then
		help=$("${COMP_WORDS[0]}" "$command" --help 2>&1)
		mapfile -t COMPREPLY < <(compgen -W "$(grep -o -- '--[a-z][a-z0-9-]*' <<<"$help" | sort -u)" -- "$word")
		return
	fi
	case $command in
	help) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')" -- "$word"); return ;;
	load | redo | selftest | judge)
		if [ "$COMP_CWORD" = 2 ] && [ "$command" = redo ]; then
			mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" redo --help 2>&1 | grep -o 'drtest redo [a-z]*' | cut -d' ' -f3 | sort -u)" -- "$word")
			return
		fi
		if [ "$COMP_CWORD" = 2 ] && { [ "$command" = load ] || [ "$command" = judge ]; }; then
			mapfile -t COMPREPLY < <(compgen -W "append bank ledger oltp_delete oltp_insert oltp_read_write oltp_update_index oltp_update_non_index oltp_write_only \
				tpcc report" -- "$word")
			return
		fi
		if [ "$COMP_CWORD" = 3 ] && [ "$command" = load ] && [ "$before" != report ]; then
			mapfile -t COMPREPLY < <(compgen -W "prepare run check cleanup" -- "$word")
			return
		fi
		;;
	chaos)
		[ "$COMP_CWORD" = 2 ] && mapfile -t COMPREPLY < <(compgen -W "list proxy kill interrupt pause memory" -- "$word")
		;;
	run | suite | sweep) # by name, or by file
		mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" list 2>/dev/null | sed -n 's#^\([^ ].*/\)\{0,1\}\([a-z_]*\)\.lua$#\2 &#p')" -- "$word")
		;;
	report | changes)
		mapfile -t COMPREPLY < <(compgen -d -- "${word:-runs/}")
		;;
	esac
	[ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
if [ "${BASH_SOURCE[0]}" != "$0" ]; then
	complete -F _drtest drtest
else
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_drtest
	for word in "${COMPREPLY[@]}"; do
		[ -d "$word" ] && word=${word%/}/
		printf '%s\n' "$word"
	done
fi
