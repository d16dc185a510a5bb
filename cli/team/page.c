#include "cli/team/page.h"

#include <stdarg.h>
#include <string.h>

#include "reports/text.h"

static const char style[] =
	"body{font:15px/1.5 system-ui,'DejaVu Sans',sans-serif;max-width:900px;margin:0 auto;padding:24px 16px;color:#1a1f29;background:#fff}"
	"h1{font-size:26px}h2{font-size:20px;margin-top:32px;border-bottom:1px solid #dfe3e9}h3{font-size:16px}"
	"pre{background:#eef1f5;padding:10px 12px;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px}"
	"code{background:#eef1f5;border-radius:3px;padding:0 3px;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}"
	"td,th{border:1px solid #c9ced6;padding:5px 8px;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
	"@media print{h2{break-after:avoid}pre,tr{break-inside:avoid}}";

/* Text within a line: HTML escaped; Markdown's own signs made harmless outside of code. */
static void inline_text(struct page *p, const char *text, bool cell)
{
	struct strbuf part = STRBUF_INIT;
	bool code = false;

	for (const char *c = text;; c++) {
		if (*c && *c != '`') {
			if (*c == '\n' || *c == '\r')
				strbuf_addch(&part, ' ');
			else if (!p->html && !code && strchr("*_<>[]\\#", *c))
				strbuf_addf(&part, "\\%c", *c);
			else if (!p->html && cell && *c == '|')
				strbuf_addstr(&part, "\\|");
			else
				strbuf_addch(&part, *c);
			continue;
		}
		if (p->html)
			text_html(&p->out, part.buf);
		else
			strbuf_addstr(&p->out, part.buf);
		strbuf_reset(&part);
		if (*c == '`') {
			code = !code;
			strbuf_addstr(&p->out, !p->html ? "`" : code ? "<code>" : "</code>");
		} else {
			break;
		}
	}
	if (code)
		strbuf_addstr(&p->out, p->html ? "</code>" : "`");
	strbuf_release(&part);
}

static void close_list(struct page *p)
{
	if (p->in == PAGE_TABLE && p->html)
		strbuf_addstr(&p->out, "</table>\n");
	if (p->in == PAGE_ITEMS && p->html)
		strbuf_addstr(&p->out, "</ul>\n");
	if (p->in != PAGE_TEXT && !p->html)
		strbuf_addch(&p->out, '\n');
	p->in = PAGE_TEXT;
}

void page_begin(struct page *p, bool html, const char *title)
{
	*p = (struct page){ .html = html, .out = STRBUF_INIT };
	if (html) {
		strbuf_addstr(
			&p->out,
			"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" "
			"content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width,"
			"initial-scale=1\"><title>");
		text_html(&p->out, title);
		strbuf_addf(&p->out, "</title><style>%s</style></head><body><main>\n", style);
	}
	page_heading(p, 1, title);
}

void page_heading(struct page *p, int level, const char *text)
{
	close_list(p);
	if (p->html)
		strbuf_addf(&p->out, "<h%d>", level);
	else
		strbuf_addf(&p->out, "%.*s ", level, "###");
	inline_text(p, text, false);
	if (p->html)
		strbuf_addf(&p->out, "</h%d>\n", level);
	else
		strbuf_addstr(&p->out, "\n\n");
}

static void add_line(struct page *p, const char *before, const char *after, const char *fmt,
		     va_list ap)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_vaddf(&text, fmt, ap);
	strbuf_addstr(&p->out, before);
	inline_text(p, text.buf, false);
	strbuf_addstr(&p->out, after);
	strbuf_release(&text);
}

void page_say(struct page *p, const char *fmt, ...)
{
	va_list ap;

	close_list(p);
	va_start(ap, fmt);
	add_line(p, p->html ? "<p>" : "", p->html ? "</p>\n" : "\n\n", fmt, ap);
	va_end(ap);
}

void page_item(struct page *p, const char *fmt, ...)
{
	va_list ap;

	if (p->in != PAGE_ITEMS) {
		close_list(p);
		strbuf_addstr(&p->out, p->html ? "<ul>\n" : "");
		p->in = PAGE_ITEMS;
	}
	va_start(ap, fmt);
	add_line(p, p->html ? "<li>" : "- ", p->html ? "</li>\n" : "\n", fmt, ap);
	va_end(ap);
}

void page_shell(struct page *p, const char *lines)
{
	size_t n = strlen(lines);

	close_list(p);
	strbuf_addstr(&p->out, p->html ? "<pre>" : "```sh\n");
	if (p->html)
		text_html(&p->out, lines);
	else
		strbuf_addstr(&p->out, lines);
	if (n && lines[n - 1] != '\n')
		strbuf_addch(&p->out, '\n');
	strbuf_addstr(&p->out, p->html ? "</pre>\n" : "```\n\n");
}

void page_row(struct page *p, const char *const *cells)
{
	bool head = p->in != PAGE_TABLE;
	size_t n = 0;

	if (head) {
		close_list(p);
		strbuf_addstr(&p->out, p->html ? "<table>\n" : "");
		p->in = PAGE_TABLE;
	}
	strbuf_addstr(&p->out, p->html ? "<tr>" : "|");
	for (; cells[n]; n++) {
		strbuf_addstr(&p->out, !p->html ? " " : head ? "<th>" : "<td>");
		inline_text(p, cells[n], true);
		strbuf_addstr(&p->out, !p->html ? " |" : head ? "</th>" : "</td>");
	}
	strbuf_addstr(&p->out, p->html ? "</tr>\n" : "\n");
	if (head && !p->html) {
		strbuf_addch(&p->out, '|');
		for (size_t i = 0; i < n; i++)
			strbuf_addstr(&p->out, " --- |");
		strbuf_addch(&p->out, '\n');
	}
}

void page_end(struct page *p)
{
	close_list(p);
	if (p->html)
		strbuf_addstr(&p->out, "</main></body></html>\n");
}
