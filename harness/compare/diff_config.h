/* sync_diff_inspector's configuration, read: TOML with its sections and keys. Settings that drtest
 * does not support are refused by name, not ignored. */
#ifndef HARNESS_COMPARE_DIFF_CONFIG_H
#define HARNESS_COMPARE_DIFF_CONFIG_H

#include "harness/compare/compare.h"

struct diff_config {
	struct sql_endpoint up, down;
	char up_name[128], down_name[128];
	char *up_snapshot, *down_snapshot; /* NULL: none */
	bool snapshot_auto;                /* TiCDC's newest syncpoint: syncpoint_newest() */
	char *changefeed;                  /* whose; NULL: there is one */
	char *output_dir;
	unsigned threads;
	uint64_t chunk_rows;
	bool struct_only, data_only, skip_missing, no_fix;
	struct table_filter *filter;
	struct routes routes;
	struct compare_table_config *tables;
	size_t n_tables;
};
/* Errors name file, line and key. */
int diff_config_read(struct diff_config *c, const char *path, struct err *e);
/* text: of the file, n bytes; path: for messages. */
int diff_config_parse(struct diff_config *c, const char *path, const char *text, size_t n,
		      struct err *e);
void diff_config_release(struct diff_config *c);

#endif
