/* What the checks read of a load: its model, its ledger, who wrote a row. A load's binding
 * registers it with its userdata; t.verify asks for it. */
#ifndef HARNESS_BINDINGS_AUDIT_H
#define HARNESS_BINDINGS_AUDIT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/verify/audit_model.h"

struct run_audit {
	const struct audit_model *model; /* NULL: none */
	const char *ledger_dir;
	/* where its rows are; ledger_table "" when it writes none */
	const char *db, *ledger_table;
	/* of its c and pad; NULL: they do not tell */
	int (*writer_of)(void *ctx, const char *text, size_t n, uint32_t *worker, uint64_t *seq);
	void *writer_ctx;
	/* the check of histories that it is written for: "append", "bank"; "" none */
	const char *history;
	/* Are the ledgers of its shards in ledger_dir? NULL: it has no shards. */
	const bool *joined;
};

/* a lives as long as the userdata on top does. */
void audit_register(lua_State *L, const struct run_audit *a);
/* The load at index; anything else, and one whose ledger is not there yet, is a usage error of the
 * script. */
const struct run_audit *audit_of(lua_State *L, int index);

#endif
