# Completion of drtest for bash. Commands and options come from the program's own help, so that they are never older than it. Run as a
# script with the words up to the cursor, it prints what could stand there, one a line: so zsh and fish ask.
_drtest_scenarios() { # COMMAND [files]: of suite the suites, else the scenarios; with files also as such
	"${COMP_WORDS[0]}" list 2>/dev/null | awk -v suite="$([ "$1" = suite ] && echo 1)" -v files="${2-}" '
		function put() { if (file != "" && is == suite + 0) { name = file; sub(/.*\//, "", name); sub(/\.lua$/, "", name); print name; if (files != "") print file } }
		/^[^ ]/ { put(); file = $0; is = 0 }
		/^  a suite of [0-9]+ runs?: / { is = 1 }
		END { put() }'
}
_drtest_sets() { # the options of the scenario on the line; without one, of all
	local word names=" "
	for word in "${COMP_WORDS[@]:2}"; do
		word=${word##*/}
		names+="${word%.lua} "
	done
	"${COMP_WORDS[0]}" list 2>/dev/null | awk -v words="$names" '
		/^[^ ]/ { name = $0; sub(/.*\//, "", name); sub(/\.lua$/, "", name) }
		/^ *--set / { sub(/=.*/, "=", $2); sub(/^\047/, "", $2); all[$2]; if (index(words, " " name " ")) { mine[$2]; n++ } }
		END { if (n) { for (o in mine) print o } else for (o in all) print o }'
}
_drtest_options() { # COMMAND VERB: of a command with verbs those that are for this one ("apply, cat: …" in its help)
	"${COMP_WORDS[0]}" "$1" --help 2>&1 | awk -v verbs="$([[ $1 == redo || $1 == chaos ]] && echo 1)" -v verb="$2" '
		function put() {
			if (option != "" && (verbs == "" || help !~ /^[a-z]+(, [a-z]+)*:( |$)/ || index(", " substr(help, 1, index(help, ":") - 1) ",", ", " verb ","))) print option
		}
		/^  (-[a-z], )?--/ { put(); option = $0; sub(/^  (-[a-z], )?/, "", option); sub(/ .*/, "", option); help = $0
			if (!sub(/^  (-[a-z], )?--[a-z0-9-]+( [^ ]+)?  +/, "", help)) help = ""; next }
		/^ / { if (help == "") { help = $0; sub(/^ +/, "", help) } next }
		{ put(); option = "" }
		END { put(); print "--help" }'
}
_drtest_words() { mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word"); }
_drtest_files() { # -f or -d; a hidden one only where a dot stands
	compopt -o filenames 2>/dev/null
	_drtest_are_files=1
	mapfile -t COMPREPLY < <(compgen "$1" -- "$word" | if [[ ${word##*/} == .* ]]; then cat; else grep -v '\(^\|/\)\.[^/]*$'; fi)
}
_drtest() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]-} given='' help i
	_drtest_are_files=
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ] || [ "$COMP_CWORD$command" = 2help ]; then
		_drtest_words "$([ "$COMP_CWORD" = 2 ] || echo --help --version) $("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')"
		return
	fi
	if [[ $word == --*=* ]]; then # zsh and fish; bash makes three words of it
		before=${word%%=*} word=${word#*=} given=$before=
	elif [ "$word" = = ]; then
		word='' given=split
	elif [ "$before" = = ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]} given=split
	fi
	for ((i = 2; i < COMP_CWORD; i++)); do
		[ "${COMP_WORDS[i]}" != -- ] || [ "$command" != suite ] || command=run
	done
	case $before in
	--on) _drtest_words local playground attach ;;
	--scenario) _drtest_words "$(_drtest_scenarios run)" ;;
	--verdict) _drtest_words pass fail unknown error interrupted ;;
	--set)
		compopt -o nospace 2>/dev/null
		_drtest_words "$(_drtest_sets)"
		;;
	-?*) # its value, by the help: "--mode merge|txn", "--out DIR", "--seed N"
		help=$("${COMP_WORDS[0]}" "$command" --help 2>&1 | sed -n "s/^  \(-[a-z], \)\{0,1\}$before \([^ ][^ ]*\).*/\2/p")
		case $help in
		*FILE) _drtest_files -f ;;
		*DIR) _drtest_files -d ;;
		*[A-Z]*) ;;
		*'|'*) _drtest_words "${help//|/ }" ;;
		esac
		before=$help
		;;
	*) before= ;;
	esac
	if [ -n "$before$given" ]; then
		[[ $given != --* ]] || COMPREPLY=("${COMPREPLY[@]/#/$given}")
		return
	fi
	if [[ $word == -* ]] || [[ $command =~ ^(run|suite|sweep)$ && $COMP_CWORD -gt 2 && ${COMP_WORDS[2]} != -* ]]; then
		_drtest_words "$(_drtest_options "$command" "${COMP_WORDS[2]}")"
		return
	fi
	case $command:$COMP_CWORD in
	redo:2) _drtest_words "$("${COMP_WORDS[0]}" redo --help 2>&1 | grep -o 'drtest redo [a-z]*' | cut -d' ' -f3 | sort -u)" ;;
	load:2 | judge:2)
		_drtest_words append bank ledger oltp_delete oltp_insert oltp_read_write oltp_update_index oltp_update_non_index oltp_write_only tpcc \
			"$([ "$command" = judge ] || echo report)"
		;;
	load:3) [ "${COMP_WORDS[2]}" = report ] || _drtest_words prepare run check cleanup ;;
	chaos:2) _drtest_words list proxy kill interrupt pause memory ;;
	run:* | suite:* | sweep:*) _drtest_words "$(_drtest_scenarios "$command" "$word")" ;;
	report:* | changes:*)
		[ -n "$word" ] || [ ! -d runs ] || word=runs/
		_drtest_files -d
		return
		;;
	esac
	[ ${#COMPREPLY[@]} -gt 0 ] || _drtest_files -f
}
if [ "${BASH_SOURCE[0]}" != "$0" ]; then
	complete -F _drtest drtest
else
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_drtest
	for word in "${COMPREPLY[@]}"; do
		[ -n "$_drtest_are_files" ] && [ -d "${word#--*=}" ] && word=${word%/}/
		printf '%s\n' "$word"
	done
fi
