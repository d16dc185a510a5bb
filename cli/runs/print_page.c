#include "cli/runs/print_page.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/uri.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define OUTPUT_BYTES_MAX ((size_t)1 << 20)
#define PAGE_MS 120000
#define PDF_BYTES_MAX ((size_t)256 << 20)

int print_page_run(const char *const *programs, char **argv, const char *none, struct err *e)
{
	struct strbuf out = STRBUF_INIT;
	int rc;

	for (; *programs && !argv[0]; programs++)
		argv[0] = proc_which(*programs);
	if (!argv[0])
		return err_set(e, ERR_ENV, 0, "%s", none);
	rc = proc_run(argv, NULL, &out, OUTPUT_BYTES_MAX, deadline_in_ms(PAGE_MS), e);
	strbuf_release(&out);
	free(argv[0]);
	return rc;
}

/* The browser ends well after half a page, too (a full disk), and after its own page about an
 * address that it can't open. */
static int take_pdf(const char *made, const char *to, struct err *e)
{
	struct strbuf pdf = STRBUF_INIT;
	int rc = -1;

	if (!fs_exists(made))
		err_set(e, ERR_ENV, 0, "PDF: the browser wrote no file");
	else if (fs_read_file(made, PDF_BYTES_MAX, &pdf, e) < 0)
		;
	else if (pdf.len < 32 || strncmp(pdf.buf, "%PDF-", 5) != 0 ||
		 !memmem(pdf.buf + pdf.len - 32, 32, "%%EOF", 5))
		err_set(e, ERR_ENV, 0,
			"PDF: the browser wrote half a file (%zu bytes): is the disk of /tmp full?",
			pdf.len);
	else
		rc = fs_write_atomic(to, pdf.buf, pdf.len, 0600, e);
	strbuf_release(&pdf);
	return rc;
}

int print_page(const char *page, const char *to, struct err *e)
{
	static const char *const programs[] = { "chromium", "chromium-browser", "google-chrome",
						NULL };
	char *real = realpath(page, NULL), profile[] = "/tmp/drtest-pdf.XXXXXX",
	     *dir = mkdtemp(profile);
	struct strbuf url = STRBUF_INIT;
	char *made = xstrfmt("%s/page.pdf", dir ? dir : "/nonexistent"),
	     *print = xstrfmt("--print-to-pdf=%s", made),
	     *own = xstrfmt("--user-data-dir=%s/profile", dir ? dir : "/nonexistent");
	char *argv[] = { NULL,
			 (char *)"--headless=new",
			 (char *)"--disable-gpu",
			 (char *)"--disable-background-networking",
			 (char *)"--no-pdf-header-footer",
			 (char *)"--virtual-time-budget=5000",
			 own,
			 print,
			 NULL,
			 geteuid() ? NULL : (char *)"--no-sandbox",
			 NULL };
	int rc = -1;

	strbuf_addstr(&url, "file://");
	uri_encode(&url, real ? real : page, strlen(real ? real : page), "/");
	argv[8] = url.buf;
	if (!real)
		err_sys(e, "PDF: %s", page);
	else if (!dir)
		err_sys(e, "PDF: create a directory in /tmp");
	else if (
		print_page_run(
			programs, argv,
			"PDF: Chromium is not on PATH (apt-get install chromium); or print the page from a browser",
			e) == 0)
		rc = take_pdf(made, to, e);
	if (dir)
		fs_remove_tree(dir, NULL);
	free(made);
	free(own);
	free(real);
	free(print);
	strbuf_release(&url);
	return rc;
}
