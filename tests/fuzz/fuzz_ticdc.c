/* lib: tidb */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/tidb/stock_tools.h"
#include "harness/tidb/ticdc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* TiCDC's answers and what its CLI prints: bounded texts without the query of a URI (which holds
 * keys), or an error in one line that quotes no secret. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e[6] = { ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT };
	char *text = xstrndup((const char *)data, size);
	struct http_answer a = HTTP_ANSWER_INIT;
	struct sync_diff_result r;
	struct ticdc_feed f;
	tso_t one = 0, two = 0;

	if (ticdc_feed_parse(&f, (const char *)data, size, &e[0]) == 0 &&
	    (strchr(f.storage, '?') || strlen(f.id) >= sizeof(f.id) ||
	     (!f.state[0] && !f.checkpoint_ts)))
		abort();
	if (ticdc_create_parse(&f, text, strlen(text), &e[1]) == 0 && strchr(f.storage, '?'))
		abort();
	a.status = 400;
	strbuf_add(&a.body, data, size);
	if (ticdc_refused(&a, "create changefeed x", &e[2]) != -1 ||
	    ticdc_cli_refused(text, "create changefeed x", &e[3]) != -1)
		abort();
	for (unsigned i = 2; i < 4; i++)
		if (!e[i].text[0] || strchr(e[i].text, '\n') ||
		    strstr(e[i].text, "secret-access-key=SECRET"))
			abort();
	stock_meta_parse(text, &one, &two, &e[4]);
	stock_br_parse(text, &one, &e[5]);
	stock_sync_diff_parse(&r, text, NULL);
	http_answer_release(&a);
	free(text);
	return 0;
}
