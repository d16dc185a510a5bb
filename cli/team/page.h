/* A page of headings, sentences, commands and tables, as Markdown or HTML. The caller gives the
 * content, not the markup. All text may come from outside and is escaped. */
#ifndef CLI_TEAM_PAGE_H
#define CLI_TEAM_PAGE_H

#include <stdbool.h>

#include "harness/base/strbuf.h"

enum page_part { PAGE_TEXT, PAGE_ITEMS, PAGE_TABLE };
struct page {
	bool html;
	enum page_part in; /* which goes on */
	struct strbuf out;
};
void page_begin(struct page *p, bool html, const char *title);
void page_heading(struct page *p, int level, const char *text);
/* `code` within it is told by backquotes. */
void page_say(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void page_item(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Lines for a shell. */
void page_shell(struct page *p, const char *lines);
/* A row of cells, NULL-terminated; the first row after anything else is the head. */
void page_row(struct page *p, const char *const *cells);
void page_end(struct page *p); /* p->out is the text; the caller releases it */

#endif
