/* The attach ground: clusters that run already, as a clusters file (a Lua table, see examples/) describes them. drtest does to them only
 * what the file allows: a cluster without `expendable = true` is neither killed nor overwritten, whatever the scenario says. One file a
 * process. */
#ifndef HARNESS_CLUSTER_ATTACH_H
#define HARNESS_CLUSTER_ATTACH_H

#include "harness/cluster/cluster.h"

#define ATTACH_CLUSTERS_MAX 16
#define ATTACH_WORDS_MAX 32
#define ATTACH_FILE_BYTES_MAX ((size_t)1 << 20)

enum attach_command { ATTACH_KILL, ATTACH_START, ATTACH_DESTROY, ATTACH_COMMANDS };
struct attach_cluster {
	char name[64];
	struct sql_endpoint sql;
	char pd[300], ticdc[300], status[300]; /* URLs; "": none */
	char ca[512], cert[512], key[512];
	bool expendable;  /* implies all of `allow` */
	bool mysql;       /* MySQL or MariaDB: no TiDB statements, no PD, no TiCDC */
	unsigned allow;   /* bits 1 << cluster_verb */
	char *command[ATTACH_COMMANDS][ATTACH_WORDS_MAX + 1]; /* argv, NULL-terminated; [0] NULL: none */
};
struct attach_file {
	struct attach_cluster c[ATTACH_CLUSTERS_MAX];
	size_t n;
	char backup[2048], redo[2048], store[2048]; /* URIs of what is there already: the newest backup, the live redo log, where a run may put things */
	char redo_time_zone[65]; /* in which TiCDC runs: "+08:00", "Asia/Shanghai"; "": not told */
};
/* Mistakes are told with file and field. Secrets come by env "NAME" in the file. */
int attach_file_read(struct attach_file *f, const char *path, struct err *e);
void attach_file_release(struct attach_file *f);

/* The file of this process. */
int attach_use(const char *path, struct err *e);
const struct attach_file *attach_used(void); /* NULL: none */
int attach_knows(const char *cluster, struct err *e);
/* 0, or ERR_USAGE: what the file does not allow, and how it would. Asked in --plan too. */
int attach_allows(const char *cluster, enum cluster_verb v, struct err *e);
/* For --plan: where it is, what it is started with now and destroyed with at the end; and its command to kill it, word by word. */
void attach_plan_text(const char *cluster, struct strbuf *out);
void attach_kill_text(const char *cluster, struct strbuf *out);
const char *attach_verb_text(enum cluster_verb v); /* "kill", as in `allow` */

#endif
