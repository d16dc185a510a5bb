/* What every report carries inside itself, so that it opens from disk without network. */
#ifndef REPORTS_HTML_STYLE_H
#define REPORTS_HTML_STYLE_H

extern const char html_css[];
extern const char html_js[];

#endif
