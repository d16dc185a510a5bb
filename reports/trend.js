/* The trend page's script: a chart (uPlot) for each figure, a point for each run. */
'use strict';
(function () {
var root = document.documentElement, raw = document.getElementById('data');

if (!raw || typeof uPlot === 'undefined')
	return;
var d = JSON.parse(raw.textContent), charts = [];
var color = function (name) { return getComputedStyle(root).getPropertyValue(name).trim(); };
var figure = function (v) { return v === null ? '' : v >= 100 ? Math.round(v).toLocaleString('en-US') : String(+v.toPrecision(3)); };
var width = function () { return Math.max(300, document.querySelector('.plot').clientWidth); };
var dots = function (name) {
	return { paths: function () { return null; }, stroke: function () { return color(name); },
		points: { show: true, size: 7, fill: function () { return color(name); }, stroke: function () { return color(name); } } };
};
/* UTC, as everywhere: days where days are apart, else hours too. */
var when = function (u, splits, i, space, step) {
	return splits.map(function (s) { var iso = new Date(s * 1000).toISOString(); return step >= 86400 ? iso.slice(0, 10) : iso.slice(5, 16).replace('T', ' '); });
};
var FONT = '11px system-ui, "DejaVu Sans", sans-serif';

document.querySelectorAll('[data-figure]').forEach(function (host, i) {
	var f = d.figures[i], top = 0;

	[f.pass, f.other].forEach(function (s) { s.forEach(function (v) { if (v !== null && v > top) top = v; }); });
	charts.push(new uPlot({
		width: width(), height: 150, padding: [6, 44, 0, 0], legend: { show: false }, cursor: { y: false, drag: { x: true, y: false } },
		scales: { x: { time: false, range: function () { var min = f.t[0], max = f.t[f.t.length - 1], edge = Math.max((max - min) * 0.03, max > min ? 60 : 1800); return [min - edge, max + edge]; } }, y: { range: [0, top > 0 ? top * 1.08 : 1] } },
		axes: [{ stroke: function () { return color('--dim'); }, font: FONT, size: 28, gap: 8, space: 120, values: when,
			incrs: [60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000], ticks: { show: false }, grid: { stroke: function () { return color('--grid'); }, width: 1 } },
			{ stroke: function () { return color('--dim'); }, font: FONT, size: 62, space: 26, ticks: { show: false },
				grid: { stroke: function () { return color('--grid'); }, width: 1 },
				values: function (u, splits) { return splits.map(function (v) { return figure(v) + (f.unit ? ' ' + f.unit : ''); }); } }],
		series: [{}, { stroke: function () { return color('--s0'); }, width: 1.6, points: { show: false }, spanGaps: true }, dots('--s2'), dots('--fail')]
	}, [f.t, f.median, f.pass, f.other], host));
});

new ResizeObserver(function () { charts.forEach(function (u) { if (u.width !== width()) u.setSize({ width: width(), height: u.height }); }); })
	.observe(document.querySelector('main'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', function () { charts.forEach(function (u) { u.redraw(); }); });
addEventListener('beforeprint', function () { root.classList.add('paper'); charts.forEach(function (u) { u.setSize({ width: 690, height: u.height }); }); });
addEventListener('afterprint', function () { root.classList.remove('paper'); charts.forEach(function (u) { u.setSize({ width: width(), height: u.height }); }); });
root.setAttribute('data-charts', charts.length);
})();
