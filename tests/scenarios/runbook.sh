#!/bin/bash
# drtest runbook: what is printed is enough. A game day's people are the printed commands, run by a shell in their order, and the verdict is a drill's.
# And: no secret is printed, each format is what it says, what is wrong is one clear line.
. "$(dirname "$0")/lib.sh"
top=$PWD
out=$scratch/runs
mkdir "$scratch/bin" && ln -s "$DRTEST" "$scratch/bin/drtest" # the printed commands call it so, whatever it is called here
export PATH=$scratch/bin:$PATH
cd "$scratch" || exit 1
blocks() { # MARKDOWN: its commands
	python3 -c 'import re, sys; print("\n".join(re.findall(r"^```sh\n(.*?)^```", open(sys.argv[1]).read(), re.M | re.S)))' "$1"
}

# ---- the commands of a printed runbook, in a shell, on a day when the primary dies
mkfifo typed
"$DRTEST" gameday --on local --store file --out "$out" --seed 11 --window 3s --set tables=2 --set table_size=300 --set workers=4 --set rate=80 <typed >day 2>&1 &
day=$!
exec 9>typed
wait_for 90 grep -q 'start a load in its own database  *ok' day || bad "no load: $(cat day)"
data=/var/tmp/drtest-$(basename "$(ls -d "$out"/*/ | tail -n 1)")
of() { sed -n "s/^$2 *= *\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$data/$1/client.cnf"; }
cat >pair.lua <<L
return {
  primary = { kind = "mysql", sql = { host = "127.0.0.1", port = $(of primary port), user = "$(of primary user)", password = env "PRIMARY_WORD" } },
  secondary = { kind = "mysql", sql = { host = "127.0.0.1", port = $(of secondary port), user = "$(of secondary user)", password = env "SECONDARY_WORD" } },
  redo = "$(grep -o 'redo log [a-z0-9]*:[^ ]*' day | head -n 1 | cut -d' ' -f3)",
}
L
expect "it is printed, and needs no secret for that" 0 '^# Runbook' "$DRTEST" runbook --clusters pair.lua
expect "to a file" 0 '' "$DRTEST" runbook --clusters pair.lua --output book.md
blocks book.md >book.sh
[ "$(wc -l <book.sh)" -ge 8 ] && ok || bad "few commands: $(cat book.sh)"
bash -e book.sh >nothing 2>&1 && bad "it went on without its secrets" || ok
grep -q 'WORD: is not set' nothing && ok || bad "it does not say what is not set: $(cat nothing)"
wait_for 60 sh -c "! mariadb --defaults-file='$data/primary/client.cnf' -e 'SELECT 1' >/dev/null 2>&1" && ok || bad "the primary never died"
echo "decided: the runbook" >&9
PRIMARY_WORD=$(of primary password) SECONDARY_WORD=$(of secondary password) bash -e book.sh >steps 2>&1 && ok || { bad "a step of the runbook: $(cat steps)"; kill -INT $day; }
echo "service" >&9
wait_for 60 grep -q 'service on the secondary, judged' day
echo "done" >&9
exec 9>&-
wait $day && ok || bad "the verdict: $(cat day)"
grep -q '^PASS [0-9]* checks, 0 failed' day && ok || bad "the verdict: $(cat day)"
grep -q 'resolved-ts:[0-9]' steps && ok || bad "the point was not told: $(cat steps)"

# ---- what it tells of real clusters; times of the last drills
"$top/tests/fixtures/run/make" past/20261101T010203Z-failover-1 30 pass '{"wall_ms": 1792325000000, "rto_ms": 2000}' && "$DRTEST" history --rebuild --out past >/dev/null
for f in md html; do
	STORE_KEY=key-of-the-store STORE_SECRET=secret-of-the-store DB_PASSWORD=word-of-the-db "$DRTEST" runbook --clusters "$top/examples/tiup-cluster.lua" --format $f \
		--out past --max-rpo 5s --max-rto 30s >book.$f || bad "$f"
	grep -q 'of-the-store\|of-the-db' book.$f && bad "$f: a secret is shown" || ok
done
tells() { grep -Eq -- "$2" book.md && ok || bad "$1: no /$2/"; }
tells "the address of the secondary" 'mysql\+ssl://drtest:\$\(uri_encode "\$\{DB_PASSWORD\}"\)@10\.0\.2\.10:4000/\?ssl-ca=/etc/tidb/ca\.pem'
tells "the log, its keys named" 'export REDO_URI="s3://redo/primary-to-secondary\?access-key=\$\{STORE_KEY\}&secret-access-key=\$\{STORE_SECRET\}'
tells "what has to be set" '^: "\$\{STORE_SECRET:\?is not set\}"$'
tells "the time zone of the log" 'redo apply .* --time-zone \+00:00$'
tells "what the drills took" '^\| time without service \| 2\.00 s \| 2\.00 s \| 1 \|'
tells "the targets" 'at most 5s of writes'
tells "PD" 'curl .*"https://10\.0\.1\.11:2379"/pd/api/v1/health'
tells "a threshold" 'not responded to anybody for 60 s'
tells "a way out" 'the same command again'
bash -n <(blocks book.md) && ok || bad "its commands are no shell's"
python3 - book.html <<'PY' && ok || bad "book.html is not well formed"
import sys
from html.parser import HTMLParser
class P(HTMLParser):
    stack, seen = [], 0
    def handle_starttag(self, t, a):
        P.seen += 1
        if t != 'meta': P.stack.append(t)
    def handle_endtag(self, t):
        assert P.stack.pop() == t, t
P().feed(open(sys.argv[1]).read())
assert not P.stack and P.seen > 60
PY

# ---- secrets that stand in the file itself, hostile names
cat >plain.lua <<'L'
return {
  secondary = { sql = { host = "10.0.0.2", user = "o`x$(id)\"<script>", password = "literal-word" }, pd = "http://10.0.0.2:2379" },
  ["new-primary"] = { sql = { host = "10.0.0.3", password = { file = "/etc/a b" } } },
  primary = { sql = { host = "10.0.0.1", password = { command = { "pass", "show", "a b" } } }, expendable = true, commands = { kill = { "kill", "all of $it" } } },
  redo = "s3://redo/p?access-key=AKIALITERAL&secret-access-key=literal-secret&endpoint=http://10.0.0.9:9000",
  store = "s3://store/p?secret-access-key=literal-secret",
}
L
for f in md html; do
	"$DRTEST" runbook --clusters plain.lua --format $f >plain.$f || bad "$f of a file with secrets"
	grep -q 'literal-' plain.$f && bad "$f: a literal secret is shown: $(grep -n literal- plain.$f)" || ok
	[ $f = html ] && grep -q '<script>' plain.html && bad "a name became markup" || ok
done
blocks plain.md >plain.sh
bash -n plain.sh && ok || bad "hostile names break the shell: $(cat plain.sh)"
grep -Fq 'mysql://o%60x%24%28id%29%22%3Cscript%3E:$(uri_encode "${SECONDARY_PASSWORD}")@' plain.sh && ok || bad "a name is not quoted: $(cat plain.sh)"
grep -Fq -- '-u "o\`x\\$(id)\\"\<script\>" -p' plain.md && ok || bad "a name in a fallback is not quoted: $(grep -F -- ' -u ' plain.md)"
grep -Fq 'kill "all of \$it"' plain.sh && ok || bad "the file's own command: $(cat plain.sh)"
grep -Fq '$(pass show "a b" | head -n 1)' plain.sh && ok || bad "a password's command: $(cat plain.sh)"
grep -Fq '$(head -n 1 "/etc/a b")' plain.sh && ok || bad "a password's file: $(cat plain.sh)"
grep -Fq '${REDO_SECRET_ACCESS_KEY}' plain.sh && ok || bad "a literal key has no name: $(cat plain.sh)"

# ---- paper
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
	LIMIT=120 expect "PDF" 0 "" "$DRTEST" runbook --clusters plain.lua --format pdf --output book.pdf
	[ "$(head -c 5 book.pdf)" = %PDF- ] && ok || bad "no PDF"
else
	skipped=$((skipped + 1))
	echo "skipped: PDF: apt-get install chromium"
fi

# ---- what is wrong
expect "no clusters" 2 '^drtest runbook: --clusters FILE is missing' "$DRTEST" runbook
expect "PDF to nowhere" 2 '^drtest runbook: --format pdf needs --output FILE' "$DRTEST" runbook --clusters plain.lua --format pdf
expect "no such format" 2 '^drtest runbook: --format: .doc. is not one of md' "$DRTEST" runbook --clusters plain.lua --format doc
expect "no such file" 2 '^drtest runbook: --clusters: .*nosuch.lua' "$DRTEST" runbook --clusters nosuch.lua
echo 'return { primary = { sql = { host = "a" } } }' >less.lua
expect "no secondary" 2 '^drtest runbook: less.lua: a runbook needs secondary' "$DRTEST" runbook --clusters less.lua
echo 'return { secondary = { sql = { host = "a" } } }' >less.lua
expect "no redo log" 2 '^drtest runbook: less.lua: a runbook needs redo' "$DRTEST" runbook --clusters less.lua
expect "a folder that is not there" 3 '^drtest runbook: .*nosuch' "$DRTEST" runbook --clusters plain.lua --output nosuch/book.md
nothing_left "the runbook's day"
