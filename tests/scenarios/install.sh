#!/bin/bash
# make install into a folder of its own: the installed program finds its scenarios from anywhere, its man page is well-formed; the Debian
# package is built, and lintian accepts it.
. "$(dirname "$0")/lib.sh"
build=$(dirname "$DRTEST")
expect "make install" 0 '' make -s install BUILD="$build" DESTDIR="$scratch/root" PREFIX=/opt/drtest
installed=$scratch/root/opt/drtest/bin/drtest
for f in share/drtest/scenarios/failover.lua share/drtest/result.schema.json share/man/man1/drtest.1 share/bash-completion/completions/drtest \
	share/zsh/site-functions/_drtest share/fish/vendor_completions.d/drtest.fish \
	share/doc/drtest/README.md share/doc/drtest/LICENSE share/doc/drtest/NOTICE share/doc/drtest/sbom.json share/doc/drtest/examples/ci/gitlab-ci.yml; do
	[ -s "$scratch/root/opt/drtest/$f" ] && ok || bad "$f is not installed"
done
mkdir "$scratch/away"
cd "$scratch/away" || exit 1
expect "it says what it is made of" 0 '^  toml\+\+ +[0-9]' "$installed" --version
[ "$(grep -c '[0-9]\.[0-9]' "$scratch/out")" = 14 ] && ok || bad "a version is missing: $(cat "$scratch/out")"
expect "it lists its scenarios" 0 'share/drtest/scenarios/failover.lua' "$installed" list
expect "it finds one by name" 0 '^plan of failover' "$installed" run failover --plan
expect "it finds one as in the documents" 0 '^plan of failover' "$installed" run scenarios/failover.lua --plan
expect "it finds a suite" 0 '^suite nightly' "$installed" suite nightly --plan
expect "another folder is meant as it stands" 2 'No such file' "$installed" run elsewhere/failover.lua --plan
expect "what is nowhere is said" 2 'drtest list' "$installed" run nothing --plan
mkdir mine && cp "$scratch/root/opt/drtest/share/drtest/scenarios/failover.lua" mine/own.lua
cp "$scratch/root/opt/drtest/share/drtest/scenarios/switchover.lua" mine/there.lua
expect "what scenarios share goes along" 0 '^plan of switchover' env DRTEST_SCENARIOS="$PWD/mine" "$installed" run there --plan
expect "a folder of one's own" 0 '^plan of failover' env DRTEST_SCENARIOS="$PWD/mine" "$installed" run own --plan
cd - >/dev/null || exit 1
# a tiup component: unpacked anywhere, its entry point finds its scenarios
expect "make tiup" 0 'tiup mirror publish drtest v0' make -s tiup BUILD="$build"
mkdir "$scratch/component" && tar -xzf "$(head -n 1 "$scratch/out")" -C "$scratch/component"
cd "$scratch/away" || exit 1
expect "the component finds its scenarios" 0 '^plan of failover' "$scratch/component/bin/drtest" run failover --on local --plan
cd - >/dev/null || exit 1
# Completion, as each shell asks for it: a command, a scenario by its name, an option of a scenario, a ground.
export PATH=${installed%/*}:$PATH
share=$scratch/root/opt/drtest/share
asked() { # SHELL COMMAND-LINE WANTED
	case $1 in
	bash) bash -c '. "$1"; read -ra COMP_WORDS <<<"$2"; [[ $2 = *\  ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_drtest; printf "%s\n" "${COMPREPLY[@]}"' bash "$share/bash-completion/completions/drtest" "$2" ;;
	fish) HOME=$scratch fish -N -c 'source $argv[1]; complete -C $argv[2]' "$share/fish/vendor_completions.d/drtest.fish" "$2" ;;
	zsh) # zsh completes at a terminal alone: what the function hands to compadd is looked at
		zsh -fc 'fpath=($1 $fpath); autoload -Uz _drtest; compadd() { while [[ $1 = -* ]]; do [[ $1 = -S ]] && shift; [[ $1 = -- ]] && { shift; break; }; shift; done
			print -l -- "$@"; }
			words=(${=2}); [[ $2 = *\  ]] && words+=(""); CURRENT=$#words; zmodload zsh/parameter; _drtest' zsh "$share/zsh/site-functions" "$2" ;;
	esac >"$scratch/out" 2>&1
	grep -qxF -- "$3" "$scratch/out" && ok || bad "$1: no $3 after '$2': $(head -n 5 "$scratch/out")"
}
for shell in bash zsh fish; do
	command -v $shell >/dev/null || { skipped=$((skipped + 1)); echo "skipped: $shell is not here"; continue; }
	asked $shell 'drtest jud' judge
	asked $shell 'drtest run failo' failover
	asked $shell 'drtest run failover --set ra' rate=
	asked $shell 'drtest run failover --on ' local
	asked $shell 'drtest run failover --max-r' --max-rto
	asked $shell 'drtest run failover --on=lo' --on=local
	asked $shell 'drtest cha' chaos # with a directory of that name beside it, which is not meant
	asked $shell 'drtest redo cat --s' --storage
	! grep -q -- --sink-uri "$scratch/out" && ok || bad "$shell: an option of another verb: $(cat "$scratch/out")"
done
if command -v groff >/dev/null; then
	out=$(groff -mdoc -Tutf8 -ww -z packaging/drtest.1 2>&1)
	[ -z "$out" ] && ok || bad "the man page: $out"
fi
sha256sum --check --quiet <<S && ok || bad "the SBOM's sums are not those of the vendored files"
$(python3 -c 'import json
for c in json.load(open("packaging/sbom.json"))["components"][0]["components"]: print(c["hashes"][0]["content"] + "  " + c["name"])')
S
if command -v dpkg-shlibdeps >/dev/null && command -v dpkg-deb >/dev/null; then
	LIMIT=180 expect "make deb" 0 'drtest_.*\.deb' make -s deb BUILD="$build"
	deb=$(find "$build/deb" -name '*.deb')
	dpkg-deb --contents "$deb" | grep -c './usr/share/drtest/scenarios/failover.lua' >/dev/null && ok || bad "the package lacks the scenarios"
	dpkg-deb --field "$deb" Depends | grep -q 'libc6.*mariadb-server-core' && ok || bad "the package's dependencies: $(dpkg-deb --field "$deb" Depends)"
	command -v lintian >/dev/null || echo "skipped: lintian is not here: the package was built and not checked"
else
	skipped=1
	echo "skipped: dpkg-dev is not here: no Debian package was built"
fi
