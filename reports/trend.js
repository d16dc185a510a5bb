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
var FONT = '11px system-ui, "DejaVu Sans", sans-serif';

document.querySelectorAll('[data-figure]').forEach(function (host, i) {
	var f = d.figures[i], top = 0;

	[f.pass, f.other].forEach(function (s) { s.forEach(function (v) { if (v !== null && v > top) top = v; }); });
	charts.push(new uPlot({
		width: width(), height: 150, padding: [6, 14, 0, 0], legend: { show: false }, cursor: { y: false, drag: { x: true, y: false } },
		scales: { x: { time: true, range: function (u, min, max) { var edge = Math.max((max - min) * 0.03, max > min ? 60 : 43200); return [min - edge, max + edge]; } }, y: { range: [0, top > 0 ? top * 1.08 : 1] } },
		axes: [{ stroke: function () { return color('--dim'); }, font: FONT, size: 36, ticks: { show: false }, grid: { stroke: function () { return color('--grid'); }, width: 1 } },
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
