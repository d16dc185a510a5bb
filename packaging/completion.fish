# Completion of drtest for fish: bash's, which reads the program's own help, asked by a bash beside it.
set -g __drtest_bash (status dirname)/../../bash-completion/completions/drtest
function __drtest_words
    set -l now (commandline -ct)
    test -n "$now"; or set now ""
    bash "$__drtest_bash" (commandline -opc) $now
end
complete -c drtest -f -a '(__drtest_words)'
