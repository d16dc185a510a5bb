/* What tiup and its playground print and leave in their data folder, taken apart (tiup 1.9 to 1.16;
 * recordings: tests/fixtures/toolchain). */
#ifndef HARNESS_TIDB_PLAYGROUND_TEXT_H
#define HARNESS_TIDB_PLAYGROUND_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PLAYGROUND_SQL_MAX 8
#define PLAYGROUND_LOG_BYTES_MAX ((size_t)4 << 20)

struct playground_address {
	char host[256];
	unsigned port;
};
/* All that a playground has said so far. Its banner may come before everything answers, and any
 * listener counts as ready to it: who reads this still asks the servers. */
struct playground_text {
	bool started; /* the banner is there */
	/* in the order of their ports, which is that of playground's numbers: it prints them in the
	 * order in which they came up */
	struct playground_address sql[PLAYGROUND_SQL_MAX];
	size_t n_sql;
	/* from the Dashboard's line, 1.9: the endpoints'; port 0: not told */
	struct playground_address pd;
	/* "Playground bootstrapping failed: …", or a line that begins with "Error:"; "": none */
	char failed[512];
	/* "127.0.0.1:4000": a TiDB that did not come up within --db.timeout; playground waits
	 * on. "": none */
	char late[300];
	/* "tidb-0: exit status 3": the first that ended by itself, not on a signal to
	 * playground; "": none */
	char quit[300];
	char quit_log[512]; /* its "check detail log from:" */
	bool stopping;      /* a signal came: what quits after it quits in order */
};
void playground_text_parse(struct playground_text *t, const char *text, size_t n);

/* tiup_process_meta: the pid of tiup-playground. -1: it is no such file. */
int playground_meta_pid(const char *json, size_t n, pid_t *pid);

/* A component's command line, as /proc/PID/cmdline has it (arguments end in NUL). 0: it is one of
 * playground's. */
enum playground_kind {
	PLAYGROUND_PD,
	PLAYGROUND_TIKV,
	PLAYGROUND_TIDB,
	PLAYGROUND_TICDC,
	PLAYGROUND_OTHER
};
struct playground_component {
	enum playground_kind kind;
	/* SQL of TiDB, client URL of PD, API of TiCDC, TiKV's service */
	struct playground_address address;
	unsigned status_port; /* of TiDB and TiKV; 0: none */
	char log[512];
};
int playground_component_parse(struct playground_component *c, const char *cmdline, size_t n);

/* "1.16.5 tiup" to 1, 16, 5. -1: no version. Also "v8.5.7" and "8.0.11-TiDB-v8.5.7" (what follows
 * TiDB-). */
int tool_version_parse(const char *text, unsigned version[3]);
int tool_version_cmp(const unsigned a[3], unsigned major, unsigned minor, unsigned patch);

#endif
