/* The page's script: draws the charts (uPlot) on one time axis, moves one cursor and one zoom through all of them, and prints them
 * in a paper's colours. Text comes from the document (escaped there) and is only ever drawn or set as text. */
'use strict';
(function () {
var root = document.documentElement, box = null;

function offer_copy() {
	var copy = document.getElementById('copy');

	if (!copy || !navigator.clipboard)
		return;
	copy.hidden = false;
	copy.addEventListener('click', function () {
		navigator.clipboard.writeText(document.getElementById('command').textContent).then(function () { copy.textContent = 'Copied'; });
	});
}
offer_copy();

/* UTC is what logs and colleagues elsewhere have; beside it, the reader's own clock where that is another. */
function local_times() {
	document.querySelectorAll('time[datetime]').forEach(local_time);
}

function local_time(e) {
	var t = new Date(e.getAttribute('datetime')), here;

	if (isNaN(t) || !t.getTimezoneOffset())
		return;
	here = t.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' });
	e.title = t.toLocaleString([], { dateStyle: 'full', timeStyle: 'long' });
	if (!e.closest('td'))
		e.insertAdjacentText('beforeend', ' (' + here + ')');
}
local_times();

var shut = [];
addEventListener('beforeprint', function () {
	shut = [].slice.call(document.querySelectorAll('details:not([open])'));
	shut.forEach(function (e) { e.open = true; });
});
addEventListener('afterprint', function () { shut.forEach(function (e) { e.open = false; }); });

if (!document.getElementById('charts') || !document.getElementById('data') || typeof uPlot === 'undefined')
	return;

var d, now, rest, steps, spans, faults, moves, charts = [], values = {}, view = null, at = null, busy = false;
var LEFT = 58, RIGHT = 14, MIN_WIDTH = 240, ROWS_MAX = 9, FONT = '11px system-ui, "DejaVu Sans", sans-serif';
var color = function (name) { return getComputedStyle(root).getPropertyValue(name).trim(); };
var series_color = function (i) { return color('--s' + i % 8); };
var number = function (e, name) { return +e.getAttribute('data-' + name); };
var list = function (kind) { return [].slice.call(document.querySelectorAll('#events [data-kind=' + kind + ']')); };
function figure(v) {
	return v >= 100 ? Math.round(v).toLocaleString('en-US') : String(+v.toPrecision(3));
}

function clock(s, step) {
	var h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, sec = s - h * 3600 - m * 60;

	if (d.span <= 300)
		return +s.toFixed(3) + ' s';
	sec = step < 1 ? sec.toFixed(step < 0.1 ? 2 : 1) : String(Math.round(sec));
	return (h ? h + ':' + String(m).padStart(2, '0') : m) + ':' + sec.padStart(step < 1 ? (step < 0.1 ? 5 : 4) : 2, '0');
}

/* Steps as bands, faults until they were healed, instants as lines: behind the curves of every chart. */
function bands(u) {
	var c = u.ctx, b = u.bbox, x = function (t) { return u.valToPos(t, 'x', true); };
	var dpr = devicePixelRatio || 1;

	c.save();
	c.beginPath();
	c.rect(b.left, b.top, b.width, b.height);
	c.clip();
	steps.forEach(function (s, i) {
		if (i % 2 && !s.bad)
			return;
		c.fillStyle = color(s.bad ? '--fail-soft' : '--band');
		c.fillRect(x(s.from), b.top, Math.max(x(s.to) - x(s.from), dpr / 2), b.height);
	});
	faults.forEach(function (f) {
		if (f.to === null)
			return;
		c.globalAlpha = 0.16;
		c.fillStyle = color('--fail');
		c.fillRect(x(f.from), b.top, Math.max(x(f.to) - x(f.from), dpr), b.height);
		c.globalAlpha = 1;
		c.setLineDash([2 * dpr, 3 * dpr]);
		line(c, x(f.to), b.top, b.top + b.height, color('--pass'), dpr);
		c.setLineDash([]);
	});
	c.restore();
}

function line(c, x, from, to, stroke, width) {
	c.strokeStyle = stroke;
	c.lineWidth = width;
	c.beginPath();
	c.moveTo(x, from);
	c.lineTo(x, to);
	c.stroke();
}

function instants(u) {
	var c = u.ctx, b = u.bbox, dpr = devicePixelRatio || 1;

	c.save();
	c.beginPath();
	c.rect(b.left, b.top, b.width, b.height);
	c.clip();
	c.setLineDash([]); /* the last curve may have been dashed */
	faults.forEach(function (f) { line(c, u.valToPos(f.from, 'x', true), b.top, b.top + b.height, color('--fail'), 1.4 * dpr); });
	c.setLineDash([4 * dpr, 3 * dpr]);
	moves.forEach(function (f) { line(c, u.valToPos(f.from, 'x', true), b.top, b.top + b.height, color('--move'), 1.4 * dpr); });
	c.restore();
}

/* The first row in which a label from `from` to `to` stands alone; the last row takes what fits nowhere. */
function row_for(ends, from, to, max) {
	var row = 0;

	while (row + 1 < max && ends[row] !== undefined && ends[row] > from)
		row++;
	ends[row] = Math.max(ends[row] || 0, to);
	return row;
}

function cut(c, text, width) {
	if (c.measureText(text).width <= width)
		return text;
	while (text.length > 1 && c.measureText(text + '…').width > width)
		text = text.slice(0, -1);
	return text + '…';
}

/* Where the name of an instant stands: right of it, or left where there is more room; cut where there is too little. unit: a pixel's size. */
function mark_at(c, text, from, width, unit) {
	var left = from + c.measureText(text).width + 8 * unit > width && from > width - from, w;

	text = cut(c, text, Math.max(0, (left ? from : width - from) - 8 * unit));
	w = c.measureText(text).width + 8 * unit;
	return { text: text, left: left, start: left ? from - w : from, end: (left ? from : from + w) + 8 * unit };
}

/* Names of what happened, above the charts: faults and moves, then the steps, then the parts of the RTO. */
function labels(u) {
	var c = u.ctx, b = u.bbox, dpr = devicePixelRatio || 1, ends = [], x = function (t) { return u.valToPos(t, 'x', true); };

	if (!u.rows) /* the first draw: it has no rows yet */
		return;
	var rows = u.rows.marks, y = b.top + rows * 15 * dpr, right = b.left + b.width;

	c.save();
	c.beginPath();
	c.rect(b.left, b.top, b.width, b.height);
	c.clip();
	c.font = FONT.replace('11px', 11 * dpr + 'px');
	c.textBaseline = 'middle';
	faults.map(function (f) { return { e: f, ink: '--fail' }; }).concat(moves.map(function (f) { return { e: f, ink: '--move' }; })).sort(function (p, q) {
		return p.e.from - q.e.from;
	}).forEach(function (m) {
		var from = x(m.e.from), place = mark_at(c, m.e.text, from - b.left, b.width, dpr);
		var row = row_for(ends, place.start, place.end, rows);

		line(c, from, b.top + (row * 15 + 2) * dpr, b.top + b.height, color(m.ink), 1.4 * dpr);
		c.fillStyle = color(m.ink);
		c.textAlign = place.left ? 'right' : 'left';
		c.fillText(place.text, place.left ? from - 4 * dpr : from + 4 * dpr, b.top + (row * 15 + 8) * dpr);
	});
	c.textAlign = 'left';
	steps.forEach(function (s) {
		var from = Math.max(x(s.from), b.left), w = Math.min(x(s.to), right) - from;

		c.fillStyle = color(s.bad ? '--fail' : '--ink');
		if (w > 14 * dpr)
			c.fillText(w > 60 * dpr ? cut(c, s.text, w - 8 * dpr) : s.text.split(' ')[0], from + 4 * dpr, y + 11 * dpr);
	});
	y += 22 * dpr;
	ends = [];
	spans.forEach(function (s) {
		var from = x(s.from), to = Math.max(x(s.to), from + 2 * dpr), w = c.measureText(s.text).width + 10 * dpr, left = to + w > right;
		var row = row_for(ends, left ? from - w : from, left ? to + 3 * dpr : to + w, u.rows.spans);

		c.fillStyle = series_color(s.color);
		c.fillRect(from, y + (row * 14 + 2) * dpr, to - from, 9 * dpr);
		c.fillStyle = color('--dim');
		c.textAlign = left ? 'right' : 'left';
		c.fillText(s.text, left ? from - 4 * dpr : to + 4 * dpr, y + (row * 14 + 7) * dpr);
	});
	c.restore();
}

function show(x, from) {
	at = x;
	now.textContent = x === null ? rest : clock(x, 0.1) + (d.wall ? '  ·  ' + new Date(d.wall + x * 1000).toISOString().slice(11, 21) + ' UTC' : '');
	charts.forEach(function (u) {
		if (u !== from)
			u.setCursor(x === null ? { left: -10, top: -10 } : { left: u.valToPos(x, 'x'), top: -10 }, false);
		u.ids.forEach(function (id, i) {
			var v = values[id], t = u.data[0], lo = 0, hi = t.length - 1, mid, y = null;

			if (x === null) {
				v.e.textContent = v.rest;
				return;
			}
			while (hi - lo > 1) {
				mid = (lo + hi) >> 1;
				if (t[mid] < x) lo = mid; else hi = mid;
			}
			mid = Math.abs(t[lo] - x) <= Math.abs(t[hi] - x) ? lo : hi;
			if (Math.abs(t[mid] - x) <= u.gap)
				y = u.data[i + 1][mid];
			v.e.textContent = y === null || y === undefined ? '–' : figure(y) + u.unit;
		});
	});
}

function zoom(min, max) {
	if (busy)
		return;
	busy = true;
	view = [Math.max(0, min), Math.min(d.span, max)];
	charts.forEach(function (u) {
		u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false); /* the drag's band would lie over other seconds now */
		u.setScale('x', { min: view[0], max: view[1] });
	});
	busy = false;
	if (at !== null)
		setTimeout(function () { show(at); }, 0);
}

function x_axis(shown) {
	return {
		show: shown, stroke: function () { return color('--dim'); }, font: FONT, size: 28, gap: 8, ticks: { show: false },
		grid: { stroke: function () { return color('--grid'); }, width: 1 },
		values: function (u, splits, i, space, step) { return splits.map(function (s) { return clock(s, step); }); },
		incrs: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400],
		space: 70
	};
}

function options(height, extra) {
	var o = {
		width: Math.max(MIN_WIDTH, box.querySelector('.plot').clientWidth), height: height, padding: [8, RIGHT, 0, 0], legend: { show: false },
		cursor: { y: false, drag: { x: true, y: false, dist: 5 }, points: { size: 6 }, bind: { dblclick: function () { return function () { zoom(0, d.span); }; } } },
		scales: { x: { time: false, auto: false, range: function (u, min, max) { return min === null ? view : [min, max]; } } },
		hooks: {
			setSelect: [function (u) {
				if (u.select.width > 4)
					zoom(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
			}],
			setCursor: [function (u) { if (u.cursor.event) /* the pointer's own move, not a redraw's */ show(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, 'x') : null, u); }],
			drawClear: [bands], draw: []
		}
	};

	o.cursor.drag.setScale = false;
	return Object.assign(o, extra);
}

/* How many rows of names a width needs. */
function timeline_rows(width) {
	var c = document.createElement('canvas').getContext('2d'), ends = [], rows = {};

	c.font = FONT;
	faults.concat(moves).sort(function (p, q) { return p.from - q.from; }).forEach(function (m) {
		var place = mark_at(c, m.text, m.from / d.span * width, width, 1);

		row_for(ends, place.start, place.end, ROWS_MAX);
	});
	rows.marks = ends.length;
	ends = [];
	spans.forEach(function (s) {
		var from = s.from / d.span * width, to = Math.max(s.to / d.span * width, from + 2), w = c.measureText(s.text).width + 10, left = to + w > width;

		row_for(ends, left ? from - w : from, left ? to + 3 : to + w, ROWS_MAX);
	});
	rows.spans = ends.length;
	rows.height = rows.marks * 15 + rows.spans * 14 + 56;
	return rows;
}

function timeline(host) {
	var rows = timeline_rows(Math.max(MIN_WIDTH, host.clientWidth) - LEFT - RIGHT), o, u;

	o = options(rows.height, {
		series: [{}, { show: false }],
		axes: [x_axis(true), { show: true, size: LEFT, values: function () { return []; }, grid: { show: false }, ticks: { show: false } }]
	});
	o.scales.y = { range: [0, 1] };
	o.hooks.draw = [labels];
	u = new uPlot(o, [[0, d.span], [null, null]], host);
	u.rows = rows;
	u.ids = [];
	u.gap = 0;
	u.redraw();
	return u;
}

function range_of(c) {
	var low = Infinity, high = 0;

	c.series.forEach(function (s) {
		s.v.forEach(function (v) {
			if (v !== null && v > high) high = v;
			if (v !== null && v > 0 && v < low) low = v;
		});
	});
	if (high < 1e-3)
		return { range: [0, 1] };
	if (c.log && low < high / 100)
		return { distr: 3, range: [Math.pow(10, Math.floor(Math.log10(Math.max(low, high / 1e6)))), Math.pow(10, Math.ceil(Math.log10(high)))] };
	return { range: [0, c.top ? c.top * 1.05 : high * 1.06] };
}

function chart(host, c) {
	var y = range_of(c), o = options(165, {
		series: [{}].concat(c.series.map(function (s, i) {
			return { stroke: function () { return series_color(i); }, width: 1.6, dash: s.dash ? [5, 4] : undefined, points: { size: 4 },
				fill: c.fill && i === 0 ? function () { return series_color(0) + '22'; } : undefined };
		})),
		axes: [x_axis(true), { stroke: function () { return color('--dim'); }, font: FONT, size: LEFT, gap: 4, space: 26, ticks: { show: false },
			grid: { stroke: function () { return color('--grid'); }, width: 1 },
			values: function (u, splits) {
				var last = splits.length - 1;

				while (last > 0 && splits[last] === null)
					last--;
				return splits.map(function (v, i) { return v === null ? '' : figure(v) + (i === last ? c.unit : ''); });
			} }]
	}), u;

	if (y.distr === 3) /* a label a power of ten */
		o.axes[1].filter = function (u, splits) { return splits.map(function (v) { return Math.abs(Math.log10(v) % 1) < 1e-6 ? v : null; }); };
	o.scales.y = y;
	o.hooks.draw = [instants];
	u = new uPlot(o, [d.tables[c.table]].concat(c.series.map(function (s) {
		return y.distr === 3 ? s.v.map(function (v) { return v === null || v <= 0 ? null : v; }) : s.v;
	})), host);
	u.ids = c.series.map(function (s) { return s.id; });
	u.unit = c.unit;
	u.gap = c.gap;
	return u;
}

function paint() {
	charts.forEach(function (u) { u.redraw(); });
}

function fit(width) {
	charts.forEach(function (u) {
		if (u.width === width)
			return;
		if (u.rows)
			u.rows = timeline_rows(width - LEFT - RIGHT);
		u.setSize({ width: width, height: u.rows ? u.rows.height : u.height });
	});
}

var wide = new ResizeObserver(function () { if (!root.classList.contains('paper')) fit(Math.max(MIN_WIDTH, box.querySelector('.plot').clientWidth)); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
addEventListener('beforeprint', function () { root.classList.add('paper'); show(null); fit(690); paint(); });
addEventListener('afterprint', function () { root.classList.remove('paper'); fit(Math.max(MIN_WIDTH, box.querySelector('.plot').clientWidth)); paint(); });

/* The next fault, move or step from an instant on, or the last before it; the view follows. */
function next_event(forward, from) {
	var times = faults.concat(moves, steps).map(function (e) { return e.from; }).filter(function (t) { return forward ? t > from + 1e-6 : t < from - 1e-6; });
	var to = times.length ? (forward ? Math.min.apply(null, times) : Math.max.apply(null, times)) : from;

	to = Math.max(0, Math.min(d.span, to));
	if (to < view[0] || to > view[1])
		zoom(to - (view[1] - view[0]) / 2, to + (view[1] - view[0]) / 2);
	return to;
}

function key(ev) {
	var span = view[1] - view[0], u = span / (ev.shiftKey ? 20 : 200), mid = at === null ? (view[0] + view[1]) / 2 : at, k = ev.key;

	if (ev.target !== box)
		return;
	if (k === 'Escape') { show(null); zoom(0, d.span); }
	else if (k === 'ArrowRight') show(Math.min(view[1], at === null ? view[0] : at + u));
	else if (k === 'ArrowLeft') show(Math.max(view[0], at === null ? view[1] : at - u));
	else if (k === 'PageDown') show(Math.min(view[1], mid + span / 10));
	else if (k === 'PageUp') show(Math.max(view[0], mid - span / 10));
	else if (k === 'n' || k === 'p') show(next_event(k === 'n', at === null ? (k === 'n' ? -1 : d.span + 1) : at));
	else if (k === 'Home') show(view[0]);
	else if (k === 'End') show(view[1]);
	else if (k === '+' || k === '=') zoom(mid - span / 4, mid + span / 4);
	else if (k === '-') zoom(mid - span, mid + span);
	else return;
	ev.preventDefault();
}

/* The document's charts, drawn; again after its inside was exchanged, at the same instants as before. */
function load() {
	var whole = !view || view[0] <= 0 && view[1] >= d.span, was = view;

	charts.forEach(function (u) { u.destroy(); });
	charts = [];
	values = {};
	at = null;
	wide.disconnect();
	box = document.getElementById('charts');
	d = JSON.parse(document.getElementById('data').textContent);
	now = document.getElementById('now');
	rest = now.textContent;
	view = [0, d.span];
	steps = list('step').map(function (e) { return { from: number(e, 'from'), to: number(e, 'to'), bad: e.hasAttribute('data-bad'), text: e.textContent }; });
	spans = list('span').map(function (e) { return { from: number(e, 'from'), to: number(e, 'to'), color: number(e, 'color'), text: e.textContent }; });
	faults = list('fault').map(function (e) { return { from: number(e, 'from'), to: e.hasAttribute('data-to') ? number(e, 'to') : null, text: e.textContent }; });
	moves = list('move').map(function (e) { return { from: number(e, 'from'), text: e.textContent }; });
	box.querySelectorAll('[data-v]').forEach(function (e) { values[e.getAttribute('data-v')] = { e: e, rest: e.textContent }; });
	charts.push(timeline(document.getElementById('timeline')));
	[].slice.call(box.querySelectorAll('[data-chart]')).forEach(function (host) {
		var u = chart(host, d.charts[+host.getAttribute('data-chart')]);

		charts.push(u);
		host.parentNode.querySelectorAll('button[data-series]').forEach(function (b, i) {
			b.addEventListener('click', function () {
				var on = b.getAttribute('aria-pressed') !== 'true';

				b.setAttribute('aria-pressed', on);
				u.setSeries(i + 1, { show: on });
			});
		});
	});
	wide.observe(box);
	box.addEventListener('blur', function () { show(null); });
	box.addEventListener('keydown', key);
	/* all begin at the run's begin, whenever their first sample came */
	zoom(whole ? 0 : was[0], whole ? d.span : was[1]);
	root.setAttribute('data-charts', charts.length);
}
load();
root.addEventListener('drtest-exchanged', function () { offer_copy(); local_times(); load(); });
})();
