#!/bin/bash
# report.html in a real browser: no error on its console, the charts are drawn, the answers stand in the document, hostile text is
# inert, the keys move the cursor; and an hour at 1,000 transactions/s is reported within the time and memory that were promised.
set -u
cd "$(dirname "$0")/../.." || exit 1
drtest=$(realpath "${BUILD:-build}/drtest")
dir=$(mktemp -d /tmp/drtest-browser.XXXXXX)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "[       OK ] $1"; }
bad() { failed=$((failed + 1)); echo "failed: $1"; }
must() { if [ "$2" = "${3:-0}" ]; then ok "$1"; else bad "$1: $2, not ${3:-0}"; fi; }

tests/fixtures/run/make "$dir/hour" 3600 || exit 1
/usr/bin/env python3 - "$drtest" "$dir/hour" <<'PY'
import resource, subprocess, sys, time
start = time.time()
subprocess.run([sys.argv[1], 'report', sys.argv[2]], check=True, stdout=subprocess.DEVNULL)
print('an hour is reported in %.2f s with %d MiB' % (time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024))
sys.exit(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 128 * 1024)
PY
must "an hour's report is made within 128 MiB" $?
size=$(stat -c %s "$dir/hour/report.html")
must "an hour's report has at most 1.5 MB ($size bytes)" $((size > 1500000))

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
	echo "[  SKIPPED ] browser"
	echo "skipped: no Chromium here: apt-get install chromium"
	echo "$passed passed, $failed failed, 1 skipped"
	exit $((failed > 0))
fi
browse() { # HTML: its document after the scripts ran; the console in $dir/console
	timeout 60 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$dir/profile" --window-size=1200,2000 \
		--virtual-time-budget=4000 --enable-logging=stderr --dump-dom "file://$1" 2>"$dir/err" >"$dir/dom"
	grep CONSOLE "$dir/err" >"$dir/console"
}
has() { if grep -qF -- "$2" "$dir/dom"; then ok "$1"; else bad "$1: \"$2\" is not in the document"; fi; }
quiet() { if [ -s "$dir/console" ]; then bad "$1: $(head -n 3 "$dir/console")"; else ok "$1"; fi; }

browse "$dir/hour/report.html"
quiet "an hour: nothing on the console"
has "an hour: all charts are drawn" 'data-charts="8"'
has "an hour: RPO in plain words" '61 of 1,782,631 acknowledged transactions would be gone'
has "an hour: the disaster is the kill, not an earlier fault" 'had died at <b>12:33:12</b> UTC'
has "an hour: RTO" '6.00 s'
has "an hour: what healed" 'healed after 3 min 00 s'

tests/fixtures/run/make "$dir/hostile" 40 hostile && "$drtest" report "$dir/hostile" >/dev/null
sed -i 's|</body>|<script>(function(){var c=document.getElementById("charts");c.focus();["Home","ArrowRight","ArrowRight","+"].forEach(function(k){c.dispatchEvent(new KeyboardEvent("keydown",{key:k,bubbles:true}))});c.setAttribute("data-now",document.getElementById("now").textContent)})()</script></body>|' \
	"$dir/hostile/report.html"
browse "$dir/hostile/report.html"
quiet "hostile text: nothing on the console"
has "hostile text: is shown, not run" '&lt;img src=x onerror=alert(1)&gt;'
if grep -q '<title>owned\|<img' "$dir/dom"; then bad "hostile text: became markup"; else ok "hostile text: never became markup"; fi
has "a failed run: the verdict" '<span class="badge fail">FAIL</span>'
has "a failed run: findings" 'torn transaction'
has "a failed run: the log's last lines" '[ERROR] something broke'
has "the keys move the cursor" 'data-now="0.399 s'

tests/fixtures/run/make "$dir/cut" 40 cut && "$drtest" report "$dir/cut" >/dev/null
browse "$dir/cut/report.html"
quiet "a run that was cut off: nothing on the console"
has "a run that was cut off: says so" 'This report is incomplete'

for i in 1 2 3; do
	tests/fixtures/run/make "$dir/runs/night$i" $((i == 3 ? 40 : 30)) pass "{\"wall_ms\": 179${i}238592000, \"rto_ms\": 200$i}"
done
"$drtest" history --rebuild --out "$dir/runs" >/dev/null && "$drtest" trend --out "$dir/runs" >/dev/null
browse "$dir/runs/trend.html"
quiet "the trend: nothing on the console"
has "the trend: a chart for each figure of both kinds of runs" 'data-charts="28"'
has "the trend: its options" 'soak=15s'
echo "$passed passed, $failed failed"
exit $((failed > 0))
