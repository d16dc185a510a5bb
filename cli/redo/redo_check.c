#include "cli/redo/redo_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/replay/log_check.h"

struct findings {
	const struct redo_options *o;
	json_t *list;
};

static void take_finding(void *arg, enum redo_finding what, const char *line)
{
	struct findings *f = arg;

	if (f->o->json)
		json_array_append_new(f->list, json_pack("{s:s,s:s}", "kind",
							 what == REDO_BROKEN ? "broken" : "note",
							 "text", line));
	else
		printf("%s  %s\n", what == REDO_BROKEN ? "BROKEN" : "note  ", line);
}

static void check_json(const struct redo_check_result *r, json_t *findings)
{
	const struct {
		const char *name;
		uint64_t v;
	} n[] = {
		{ "files", r->files },
		{ "files_with_sidecar", r->with_sidecar },
		{ "tmp_files", r->tmp_files },
		{ "bytes", r->bytes },
		{ "rows", r->rows },
		{ "ddls", r->ddls },
		{ "transactions", r->transactions },
		{ "rows_before_checkpoint", r->rows_before },
		{ "rows_beyond_resolved", r->rows_beyond },
		{ "keys", r->keys },
		{ "notes", r->notes },
		{ "broken", r->broken },
	};
	json_t *j = json_pack("{s:s,s:o,s:o,s:o,s:o}", "verdict", r->broken ? "broken" : "sound",
			      "checkpoint_ts", redo_ts_json(r->meta.checkpoint_ts), "resolved_ts",
			      redo_ts_json(r->meta.resolved_ts), "first_ts",
			      redo_ts_json(r->first_ts), "last_ts", redo_ts_json(r->last_ts));

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		json_object_set_new(j, n[i].name, json_integer((json_int_t)n[i].v));
	json_object_set(j, "findings", findings);
	json_dumpf(j, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(j);
}

int redo_check_log(struct store *s, const struct redo_options *o)
{
	struct findings found = { o, json_array() };
	struct redo_check_opts co = { .tmp_dir = o->tmp_dir,
				      .memory_bytes = o->memory,
				      .finding = take_finding,
				      .arg = &found };
	struct redo_check_result r;
	struct err e = ERR_INIT;
	int rc;

	if (redo_check(s, &co, &r, &e) < 0) {
		rc = redo_failed(&e);
	} else if (o->json) {
		check_json(&r, found.list);
		rc = r.broken ? 1 : 0;
	} else {
		printf("%" PRIu64 " files (%.1f MB, %" PRIu64 " with a sidecar), %" PRIu64
		       " rows of %" PRIu64 " transactions, %" PRIu64 " DDLs\n",
		       r.files, (double)r.bytes / 1e6, r.with_sidecar, r.rows, r.transactions,
		       r.ddls);
		if (r.meta.resolved_ts != UINT64_MAX) /* there is a meta */
			printf("chains of %" PRIu64 " keys followed from checkpointTs %" PRIu64
			       " to resolvedTs %" PRIu64 "\n",
			       r.keys, r.meta.checkpoint_ts, r.meta.resolved_ts);
		if (r.broken)
			printf("BROKEN: %" PRIu64 " finding%s\n", r.broken,
			       r.broken == 1 ? "" : "s");
		else
			printf("sound%s\n",
			       r.with_sidecar == r.files
				       ? ""
				       : ", as far as a log without sidecars can show (see "
					 "docs/REDO-FORMAT.md)");
		rc = r.broken ? 1 : 0;
	}
	json_decref(found.list);
	return rc;
}
