/* A report that follows its run: each event brings the page's new inside. What the reader has opened, hidden or zoomed stays so. */
'use strict';
(function () {
var main = document.querySelector('main'), told = document.getElementById('live'), root = document.documentElement;
var stream = new EventSource('events'), waiting = null, held = false, times = 0;

function name_of(b) {
	return b.closest('.chart').querySelector('h3').textContent + '/' + b.textContent.replace(/[\d.,–]+.*$/, '');
}

/* A page is exchanged between two moves of the reader, not within one. */
function exchange(html) {
	var shut = {}, hidden = {}, focus = document.activeElement && document.activeElement.id, y = scrollY;

	if (held || document.hidden) {
		waiting = html;
		return;
	}
	waiting = null;
	main.querySelectorAll('details').forEach(function (e, i) { shut[i] = e.open; });
	main.querySelectorAll('button[data-series][aria-pressed=false]').forEach(function (b) { hidden[name_of(b)] = true; });
	main.innerHTML = html;
	main.querySelectorAll('details').forEach(function (e, i) { if (i in shut) e.open = shut[i]; });
	root.dispatchEvent(new Event('drtest-exchanged'));
	main.querySelectorAll('button[data-series]').forEach(function (b) { if (hidden[name_of(b)]) b.click(); });
	if (focus && document.getElementById(focus))
		document.getElementById(focus).focus({ preventScroll: true });
	scrollTo(scrollX, y);
	document.title = document.title.replace(/^[A-Z]+/, main.querySelector('.badge').textContent);
	root.setAttribute('data-live', ++times);
}

addEventListener('pointerdown', function () { held = true; });
['pointerup', 'pointercancel'].forEach(function (what) {
	addEventListener(what, function () { held = false; if (waiting !== null) setTimeout(exchange, 0, waiting); });
});
document.addEventListener('visibilitychange', function () { if (waiting !== null) exchange(waiting); });
stream.addEventListener('report', function (ev) {
	told.textContent = 'This page follows the run.';
	exchange(JSON.parse(ev.data));
});
stream.addEventListener('end', function (ev) {
	stream.close();
	held = false;
	exchange(JSON.parse(ev.data));
	told.textContent = 'The run has ended; this is its report. It stays in the run\u2019s folder as report.html.';
	root.setAttribute('data-ended', '');
});
stream.onerror = function () { told.textContent = 'drtest does not answer: this page tells what it knew last.'; };
})();
