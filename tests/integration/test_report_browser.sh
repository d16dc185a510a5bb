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
		--virtual-time-budget=${BUDGET:-4000} --enable-logging=stderr --dump-dom "file://$1" 2>"$dir/err" >"$dir/dom"
	grep CONSOLE "$dir/err" | grep -v "source: chrome://" >"$dir/console" # not what the browser says of its own pages
}
has() { if grep -qF -- "$2" "$dir/dom"; then ok "$1"; else bad "$1: \"$2\" is not in the document"; fi; }
quiet() { if [ -s "$dir/console" ]; then bad "$1: $(head -n 3 "$dir/console")"; else ok "$1"; fi; }

browse "$dir/hour/report.html"
quiet "an hour: nothing on the console"
has "an hour: all charts are drawn" 'data-charts="8"'
has "an hour: the answer in one sentence" 'you would have lost <b>61</b> of 1,782,631 acknowledged transactions and been back after <b>6.00 s</b>.'
has "an hour: the disaster is the kill, not an earlier fault" '<b>12:33:12</b> UTC</time>, you would have lost'
has "an hour: RTO" '6.00 s'
if grep -q '12:33:12</b> UTC (' "$dir/dom"; then bad "a reader in UTC is told another clock"; else ok "a reader in UTC needs no other clock"; fi
TZ=Asia/Tokyo browse "$dir/hour/report.html"
quiet "another zone: nothing on the console"
has "another zone: the reader's own clock beside UTC" '<b>12:33:12</b> UTC (09:33:12 PM'
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

cat >"$dir/broken.lua" <<'L'
return require "drtest.scenario" { name = "broken", run = function(t) if not t:planning() then error(("what went wrong "):rep(20)) end end }
L
echo 'return { suite = "night", runs = { { "broken", seeds = { 1 } } } }' >"$dir/night.lua"
"$drtest" suite "$dir/night.lua" --out "$dir/nights" -- --store file --on local >/dev/null 2>&1
page=$(echo "$dir"/nights/*-suite-night/suite.html)
sed -i "s/default-src 'none'/script-src 'unsafe-inline'; &/; s|</body>|<script>var t=document.querySelector('.rows');document.body.setAttribute('data-fits',t.getBoundingClientRect().right<=t.closest('section').getBoundingClientRect().right)</script></body>|" "$page"
browse "$page"
has "a suite: a long error hides no figure" 'data-fits="true"'

for i in 1 2 3; do
	tests/fixtures/run/make "$dir/runs/night$i" $((i == 3 ? 40 : 30)) pass "{\"wall_ms\": 179${i}238592000, \"rto_ms\": 200$i}"
done
"$drtest" history --rebuild --out "$dir/runs" >/dev/null && "$drtest" trend --out "$dir/runs" >/dev/null
browse "$dir/runs/trend.html"
quiet "the trend: nothing on the console"
has "the trend: a chart for each figure of both kinds of runs" 'data-charts="30"'
has "the trend: its options" 'soak=15s'
has "the trend: dates as ISO has them, in UTC" 'all runs</a>'

# what it leads to is there: files of the folder, parts of the page
python3 - "$dir/hour" <<'PY' && ok "every link leads to something" || bad "a link leads nowhere"
import os, re, sys
page = open(sys.argv[1] + '/report.html').read()
ids = set(re.findall(r'\bid="([^"]+)"', page))
links = re.findall(r'<a (?:class="anchor" )?href="([^"]+)"', page)
assert len(links) > 10, links
for l in links:
    assert l[1:] in ids if l[0] == '#' else os.path.exists(os.path.join(sys.argv[1], l)), l
PY

# a phone: nothing is wider than the page, or than its box. Its frame tells, since a browser without a window has a least width.
narrow() { # WHAT HTML PIXELS
	python3 - "$2" "$3" "$dir" <<'PY'
import sys
page = open(sys.argv[1]).read().replace('</body>', '<script>setTimeout(function () { var e = document.documentElement, b = [].filter.call(document.querySelectorAll(".box"), function (x) { return x.scrollWidth > x.clientWidth; })[0] || e; parent.postMessage(b.scrollWidth <= b.clientWidth ? "fits" : b.scrollWidth + " in " + b.clientWidth, "*"); }, 1500);</script></body>')
open(sys.argv[3] + '/phone.html', 'w').write(page)
open(sys.argv[3] + '/frame.html', 'w').write('<p id="w">none</p><iframe src="phone.html" style="border:0;width:%spx;height:3000px"></iframe><script>addEventListener('
    '"message", function (e) { document.getElementById("w").textContent = "it " + e.data; });</script>' % sys.argv[2])
PY
	BUDGET=9000 browse "$dir/frame.html"
	has "$1 at $3 pixels" "it fits<"
}
tests/fixtures/run/make "$dir/fail" 200 fail && "$drtest" report "$dir/fail" >/dev/null
for w in 360 400; do
	narrow "a passed run" "$dir/hour/report.html" $w
	narrow "a failed run" "$dir/fail/report.html" $w
	narrow "hostile names" "$dir/hostile/report.html" $w
	narrow "the trend" "$dir/runs/trend.html" $w
done

# on paper: A4
"$drtest" report "$dir/fail" --pdf "$dir/fail.pdf" >/dev/null 2>&1
[ "$(grep -ao 'MediaBox \[0 0 59[45][0-9.]* 84[12][0-9.]*\]' "$dir/fail.pdf" | wc -l)" -ge 2 ] && ok "the PDF is A4" || bad "the PDF is not A4: $(grep -ao 'MediaBox [^]]*' "$dir/fail.pdf" | head -n 1)"

# accessibility, by axe-core: fetched once by npm and kept
axe=${XDG_CACHE_HOME:-$HOME/.cache}/drtest/axe-core/package/axe.min.js
if [ ! -s "$axe" ] && command -v npm >/dev/null; then
	mkdir -p "${axe%/package/*}" && (cd "${axe%/package/*}" && timeout 120 npm pack axe-core@4.14.1 >/dev/null 2>&1 && tar -xzf axe-core-4.14.1.tgz)
fi
if [ -s "$axe" ]; then
	check() { # WHAT HTML
		python3 - "$2" "$axe" "$dir/axe.html" <<'PY'
import sys
page, axe = open(sys.argv[1]).read(), open(sys.argv[2]).read()
run = ('setTimeout(function () { axe.run(document, { resultTypes: ["violations"] }).then(function (r) {'
       ' document.documentElement.setAttribute("data-axe", r.passes.length > 5 ? "ran" : "saw nothing");'
       ' r.violations.filter(function (v) { return v.impact === "serious" || v.impact === "critical"; }).forEach(function (v) {'
       ' console.log("axe: " + v.id + ": " + v.help + ": " + v.nodes.map(function (n) { return n.html.slice(0, 100); }).slice(0, 3).join(" | ")); }); }); }, 500);')
open(sys.argv[3], 'w').write(page.replace('</body>', '<script>' + axe.replace('</script', '<\\/script') + '</script><script>' + run + '</script></body>'))
PY
		browse "$dir/axe.html"
		has "axe-core looked at $1" 'data-axe="ran"'
		quiet "axe-core: nothing serious in $1"
	}
	check "a passed run's report" "$dir/hour/report.html"
	check "a failed run's report" "$dir/fail/report.html"
	check "the trend" "$dir/runs/trend.html"
	echo "$passed passed, $failed failed"
else
	echo "[  SKIPPED ] accessibility"
	echo "skipped: axe-core could not be fetched (npm)"
	echo "$passed passed, $failed failed, 1 skipped"
fi
exit $((failed > 0))
