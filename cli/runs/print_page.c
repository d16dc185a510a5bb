#include "cli/runs/print_page.h"

#include <stdlib.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define OUTPUT_BYTES_MAX ((size_t)1 << 20)
#define PAGE_MS 120000

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

int print_page(const char *page, const char *to, struct err *e)
{
	static const char *const programs[] = { "chromium", "chromium-browser", "google-chrome",
						NULL };
	char *real = realpath(page, NULL), *url = xstrfmt("file://%s", real ? real : page);
	char *print = xstrfmt("--print-to-pdf=%s", to), profile[] = "/tmp/drtest-pdf.XXXXXX",
	     *dir = mkdtemp(profile);
	char *own = xstrfmt("--user-data-dir=%s", dir ? dir : "/nonexistent");
	char *argv[] = { NULL,
			 (char *)"--headless=new",
			 (char *)"--disable-gpu",
			 (char *)"--disable-background-networking",
			 (char *)"--no-pdf-header-footer",
			 (char *)"--virtual-time-budget=5000",
			 own,
			 print,
			 url,
			 geteuid() ? NULL : (char *)"--no-sandbox",
			 NULL };
	int rc = print_page_run(
		programs, argv,
		"PDF: no Chromium is on PATH (apt-get install chromium); or print the page from a browser",
		e);

	if (rc == 0 && !fs_exists(to))
		rc = err_set(e, ERR_ENV, 0, "PDF: the browser wrote no %s", to);
	if (dir)
		fs_remove_tree(dir, NULL);
	free(own);
	free(real);
	free(url);
	free(print);
	return rc;
}
