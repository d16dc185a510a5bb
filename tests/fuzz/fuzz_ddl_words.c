/* lib: feed */
/* First byte 0: a whole binary log event (header, checksum) with whatever it is; else: the text of
 * a statement. */
#include <stdlib.h>
#include <string.h>

#include "harness/binlog/binlog_event.h"
#include "harness/binlog/ddl_words.h"
#include "harness/sql/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* nobody listens there: a text in another character set can't be converted */
	static const struct sql_endpoint nobody = { .host = "127.0.0.1", .port = 1 };
	struct charsets *sets;
	enum binlog_checksum alg = CHECKSUM_NONE;
	struct binlog_query q = { .db = STRBUF_INIT, .text = STRBUF_INIT };
	struct binlog_event ev;
	struct binlog_gtid g;
	struct ddl_words w;
	struct err e = ERR_INIT;

	if (!size)
		return 0;
	if (data[0]) {
		ddl_words("d", (const char *)data + 1, size - 1,
			  data[0] & 1 ? DDL_MODE_NO_BACKSLASH_ESCAPES : 0, &w);
		if (strlen(w.db) > DDL_NAME_MAX || strlen(w.table) > DDL_NAME_MAX)
			abort();
		return 0;
	}
	sets = charsets_new(&nobody);
	if (binlog_event_parse(&ev, data + 1, size - 1, &alg, &e) == 0) {
		binlog_gtid_parse(&g, &ev, &e);
		if (binlog_query_parse(&q, &ev, sets, &e) == 0)
			ddl_words(q.db.buf, q.text.buf, q.text.len, 0, &w);
	}
	charsets_free(sets);
	strbuf_release(&q.db);
	strbuf_release(&q.text);
	return 0;
}
