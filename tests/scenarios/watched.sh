#!/bin/bash
# Who looks on while a run goes on: --metrics in both formats, scraped by a real Prometheus with the shipped rules; --live in a real browser;
# drtest redo watch --metrics; addresses that are none.
. "$(dirname "$0")/lib.sh"
top=$PWD
skip() { skipped=$((skipped + 1)); echo "skipped: $*"; }
small=(--on local --store file --set tables=2 --set table_size=500 --set load_tables=2 --set forensic=false --set soak=3s)
have() { grep -Eq -- "$2" "$3" && ok || bad "$1: no /$2/ in $3: $(head -c 400 "$3")"; }
out=$scratch/runs # for nothing_left

# ---- what is not an address, or taken
cd "$scratch" || exit 1
for wrong in nonsense 127.0.0.1:99999 1.2.3:80 '[::1' db1.example:80 -1 '' 127.0.0.1: :x; do
	expect "--metrics '$wrong'" 2 "^drtest run: --metrics: '.*' is not an address: use PORT" "$DRTEST" run failover "${small[@]}" --metrics "$wrong"
done
expect "--live" 2 "^drtest run: --live: 'x' is not an address" "$DRTEST" run failover --live x
expect "redo watch" 2 "^drtest redo: --metrics: 'x' is not an address" "$DRTEST" redo watch --storage file:///nowhere --metrics x
python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(1000)' >port &
holder=$!
wait_for 10 test -s port
expect "a port that is taken" 3 "^drtest: --metrics: listen on 127.0.0.1 port $(cat port) \(port 0 selects a free one\): Address already in use" \
	"$DRTEST" run failover "${small[@]}" --metrics "$(cat port)"
kill $holder
[ ! -e runs ] && ok || bad "a run began though its port was taken"

# ---- a run, a Prometheus, a browser
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
"$DRTEST" run failover "${small[@]}" --metrics 0 --live localhost:0 >run.out 2>run.err &
run=$!
wait_for 60 grep -q 'metrics: http' run.err || bad "it says not where: $(cat run.err)"
metrics=$(grep -o 'http://.*/metrics' run.err) page=$(grep -o 'http://[0-9.:]*/$' run.err)
wait_for 60 curl -fsS -o first "$metrics" || bad "$metrics does not answer"
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
	sed 's/for: .*/for: 0s/' "$top/examples/monitoring/drtest.rules.yml" >drtest.rules.yml
	cat >prometheus.yml <<-Y
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: [drtest.rules.yml]
		scrape_configs:
		  - job_name: drtest
		    file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]
	Y
	at() { printf '[{"targets": ["%s"]}]' "$1" >targets.new && mv targets.new targets.json; }
	at "$(grep -o '127[^/]*' <<<"$metrics")"
	prom=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="$prom" >prometheus.log 2>&1 &
	server=$!
	ask() { curl -fsS --get --data-urlencode "query=$1" "http://$prom/api/v1/query" >answer && python3 -c '
import json, sys
print(" ".join(r["value"][1] for r in json.load(open("answer"))["data"]["result"]))'; }
	answers() { [ -n "$(ask "$1")" ]; }
else
	skip "prometheus: apt-get install prometheus"
fi
if [ -n "$browser" ]; then # stays until the run ended, and then tells the document
	python3 "$top/tests/monitoring/browse" "$browser" "$page" "$scratch/profile" >dom 2>browse.err &
	reader=$!
else
	skip "--live in a browser: apt-get install chromium"
fi
wait_for 60 sh -c "curl -fsS '$metrics' | grep -q 'drtest_load_transactions_total{.*acknowledged'" && ok || bad "the load's figures never came"
curl -fsS "$metrics" >text
curl -fsS -H 'Accept: application/openmetrics-text; version=1.0.0' -D headers "$metrics" >open
have "the older format" '^drtest_run_info\{scenario="failover",ground="local",drtest="[^"]+",seed="42",verdict=""\} 1$' text
have "OpenMetrics" '^# TYPE drtest_run info$' open
have "OpenMetrics: its type" '^Content-Type: application/openmetrics-text; version=1.0.0' headers
[ "$(tail -n 1 open)" = '# EOF' ] && ok || bad "OpenMetrics does not end"
grep -q '# EOF' text && bad "the older format has OpenMetrics' end" || ok
if command -v promtool >/dev/null; then
	promtool check metrics <text >lint 2>&1 && ok || bad "promtool: $(cat lint)"
fi
[ "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$metrics")" = 405 ] && ok || bad "POST is answered"
[ "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: rebound.example:80' "$page")" = 403 ] && ok || bad "a name that points here is answered"
[ "$(curl -s -o /dev/null -w '%{http_code}' "${page}runs")" = 404 ] && ok || bad "a page that is not there"
[ "$(curl -s -o /dev/null -w '%{http_code}' "${page}metrics")" = 404 ] && ok || bad "the page's address tells figures that only --metrics asked for"
[ "$(curl -s -o /dev/null -w '%{http_code}' -H "Cookie: $(head -c 40000 /dev/zero | tr '\0' x)" "$page")" = 431 ] && ok || bad "a huge header"
curl -sN --max-time "$(patience 60)" "${page}events" >events &
stream=$!
while curl -fsS "$metrics"; do sleep 0.2; done >all 2>/dev/null &
if [ -n "${server:-}" ]; then
	wait_for 60 answers 'rate(drtest_load_transactions_total{outcome="acknowledged"}[10s]) > 0' && ok || bad "Prometheus saw no load: $(tail -n 3 prometheus.log)"
	wait_for 60 answers 'drtest_redo_loss_seconds{changefeed!=""}' && ok || bad "Prometheus saw no redo lag"
fi
wait $run
[ $? = 0 ] && ok || bad "the run: $(tail -n 5 run.out run.err)"
wait $stream
have "the stream tells more than once" '^event: report' events
have "the stream tells the end" '^event: end' events
tail -n 3 events | grep -q 'badge pass' && ok || bad "the stream's end has no verdict: $(tail -c 300 events)"
if [ -n "$browser" ]; then
	wait $reader && ok || bad "the browser: $(cat browse.err)"
	have "the page knows that the run ended" 'data-ended' dom
	have "the page followed it" 'data-live="[0-9]+"' dom
	have "the page has the verdict" '<span class="badge pass">PASS</span>' dom
	have "the page has its charts" 'data-charts="[5-9]"' dom
	have "the page says so" 'The run has ended; this is its report' dom
	grep -v 'DevTools listening\|dbus\|ERROR:\|WARNING:' browse.err | grep -q CONSOLE && bad "on the console: $(cat browse.err)" || ok
fi

# ---- a redo log that stands still, and when it was rehearsed
"$DRTEST" redo watch --storage "file://$top/tests/fixtures/redo/small/log" --metrics 127.0.0.1:0 --out runs >watch.out 2>watch.err &
watch=$!
wait_for 30 grep -q 'metrics: http' watch.err
metrics=$(grep -o 'http://.*/metrics' watch.err)
wait_for 30 sh -c "curl -fsS '$metrics' | grep -q '^drtest_redo_up 1'" && ok || bad "redo watch --metrics: $(cat watch.err)"
curl -fsS "$metrics" >text
have "what would be lost" '^drtest_redo_loss_seconds [0-9]+' text
have "when it was rehearsed" '^drtest_rehearsal_timestamp_seconds\{scenario="failover",ground="local",verdict="pass"\} [0-9]' text
if [ -n "${server:-}" ]; then
	at "$(grep -o '127[^/]*' <<<"$metrics")"
	firing() { [ "$(ask "ALERTS{alertname=\"$1\",alertstate=\"firing\"}")" = 1 ]; }
	wait_for 60 firing DrtestReplayWouldLose && ok || bad "no alert that a replay would lose: $(cat answer)"
	wait_for 60 firing DrtestRedoLag && ok || bad "no alert of the lag: $(cat answer)"
	for quiet in DrtestRehearsalMissed DrtestRehearsalFailed DrtestRedoLogUnreadable DrtestRedoHole; do
		firing $quiet && bad "$quiet fires" || ok
	done
	(cd "$top/tests/monitoring" && cp "$top/examples/monitoring/drtest.rules.yml" rules_test.yml "$scratch/tsdb/" && cd "$scratch/tsdb" && promtool test rules rules_test.yml) >rules 2>&1 &&
		ok || bad "promtool test rules: $(cat rules)"
	cp "$top"/examples/monitoring/{prometheus,drtest.rules}.yml tsdb/ && promtool check config tsdb/prometheus.yml >rules 2>&1 && ok || bad "promtool check config: $(cat rules)"
	kill $server
	wait $server 2>/dev/null
fi
kill $watch
wait $watch 2>/dev/null

# ---- the dashboard: Grafana's own types read it; its queries name what there is
python3 - "$top/examples/monitoring/drtest.dashboard.json" text all "$top" <<'PY' && ok || bad "the dashboard asks for what nobody tells"
import json, re, sys
known = set()
for f in sys.argv[2:4]:
    known |= set(re.findall(r'^(drtest_\w+)[{ ]', open(f).read(), re.M))
text = open(sys.argv[1]).read() + open(sys.argv[4] + '/examples/monitoring/drtest.rules.yml').read()
asked = set(re.findall(r'\bdrtest_[a-z_]+', text)) - {'drtest_redo_up|drtest_run_info'}
never = {n for n in asked if n not in known}
assert len(asked) > 12 and not never, never
PY
cache=${XDG_CACHE_HOME:-$HOME/.cache}/drtest/grafana-types
if [ ! -x "$cache/check" ] && command -v go >/dev/null; then
	mkdir -p "$cache" && cp "$top"/tests/monitoring/dashboard/* "$cache/" && (cd "$cache" && GOTOOLCHAIN=local timeout 300 go build -o check . >build.log 2>&1)
fi
if [ -x "$cache/check" ]; then
	"$cache/check" "$top/examples/monitoring/drtest.dashboard.json" >types 2>&1 && ok || bad "Grafana's types: $(cat types)"
	sed 's/"reduceOptions"/"reduceOption"/' "$top/examples/monitoring/drtest.dashboard.json" >wrong.json
	"$cache/check" wrong.json >types 2>&1 && bad "Grafana's types take anything" || ok
else
	skip "the dashboard by Grafana's own types: a Go from 1.23 and its module proxy"
fi
nothing_left "a run that was looked at"
