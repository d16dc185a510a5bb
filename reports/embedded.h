/* What every report carries inside itself, so that it opens from disk without network: files of
 * reports/ and of reports/vendor/ that tools/embed has made part of the program, each ending with a
 * zero byte. */
#ifndef REPORTS_EMBEDDED_H
#define REPORTS_EMBEDDED_H

extern const unsigned char embed_reports_report_css[], embed_reports_report_js[];
extern const unsigned char embed_reports_vendor_uplot_uPlot_min_css[],
	embed_reports_vendor_uplot_uPlot_iife_min_js[];
extern const unsigned char embed_reports_vendor_uplot_LICENSE[];
extern const unsigned char embed_reports_live_live_js[];
extern const unsigned char embed_reports_trend_js[], embed_reports_result_schema_json[];

#endif
