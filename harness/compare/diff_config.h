/* sync_diff_inspector's configuration, read: TOML with its sections and keys. What a compare of ours has no counterpart for is refused by
 * name, not passed over. */
#ifndef HARNESS_COMPARE_DIFF_CONFIG_H
#define HARNESS_COMPARE_DIFF_CONFIG_H

#include "harness/compare/compare.h"

#define DIFF_LIST_MAX 256

struct diff_config {
	struct sql_endpoint up, down;
	char up_name[128], down_name[128];
	char *up_snapshot, *down_snapshot; /* NULL: none */
	char *output_dir;
	unsigned threads;
	uint64_t chunk_rows;
	bool struct_only, no_fix, data_only;
	char *tables[DIFF_LIST_MAX + 1], *ignore[DIFF_LIST_MAX + 1]; /* NULL-terminated */
	size_t n_tables, n_ignore;
};
/* Errors name file, line and key. */
int diff_config_read(struct diff_config *c, const char *path, struct err *e);
/* text: of the file; path: for messages. */
int diff_config_parse(struct diff_config *c, const char *path, const char *text, struct err *e);
void diff_config_release(struct diff_config *c);

#endif
