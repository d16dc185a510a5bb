/* Escapes text from the journal, and formats numbers. Input may be any bytes; what is no
 * UTF-8 becomes U+FFFD, and a control character (also the ones that turn the direction of writing)
 * its visible name: \x1b. */
#ifndef REPORTS_TEXT_H
#define REPORTS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/strbuf.h"

/* For HTML text and quoted attributes; newlines and tabs stay. */
void text_html(struct strbuf *out, const char *s);
/* For XML text and quoted attributes: the same, newlines as &#10;. */
void text_xml(struct strbuf *out, const char *s);
/* For a terminal: one line, at most `columns` wide, cut with an ellipsis. Returns the columns used.
 */
size_t text_line(struct strbuf *out, const char *s, size_t columns);
/* A copy of at most `bytes` bytes, cut at a character with an ellipsis. The caller frees it; NULL
 * gives NULL. */
char *text_cut(const char *s, size_t bytes);

#define TEXT_NUMBER 32
/* 2013 -> "2,013" */
const char *text_count(char out[TEXT_NUMBER], int64_t n);
/* "1.88 s", "12.3 s", "2 min 05 s", "1 h 02 min" */
const char *text_seconds(char out[TEXT_NUMBER], double s);
/* Three significant digits without an exponent: "0.123", "12.3", "1,230". */
const char *text_figure(char out[TEXT_NUMBER], double v);

#endif
