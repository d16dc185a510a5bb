#compdef drtest
# Completion of drtest for zsh: bash's, which reads the program's own help, asked by a bash beside it.
local -a found
found=("${(@f)$(bash ${functions_source[_drtest]:h}/../../bash-completion/completions/drtest "${words[@]:0:$CURRENT}" 2>/dev/null)}")
compadd -S '' -- ${(M)found:#*[=/]}
compadd -- ${found:#*[=/]}
