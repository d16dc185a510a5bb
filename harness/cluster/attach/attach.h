/* The attach ground: clusters that run already, as a clusters file (a Lua table, see examples/)
 * describes them. drtest does to them only what the file allows: a cluster without `expendable =
 * true` is neither killed nor overwritten, whatever the scenario says. One file a process. */
#ifndef HARNESS_CLUSTER_ATTACH_ATTACH_H
#define HARNESS_CLUSTER_ATTACH_ATTACH_H

#include "harness/cluster/ground.h"
#include "harness/net/http.h"

#define ATTACH_CLUSTERS_MAX 16
#define ATTACH_WORDS_MAX 32
#define ATTACH_FILE_BYTES_MAX ((size_t)1 << 20)

struct attach_tls { /* file names; all "": TLS with the system's CAs, where it is made at all */
	char ca[512], cert[512], key[512], server_name[256];
	bool given, off; /* off: `tls = false` */
};
/* A secret that is not in the file: its first line is taken when it is wanted, and not before. */
struct attach_secret {
	char file[512];
	char *command[ATTACH_WORDS_MAX + 1]; /* as those below */
};
enum attach_command { ATTACH_KILL, ATTACH_START, ATTACH_DESTROY, ATTACH_COMMANDS };
struct attach_cluster {
	char name[64];
	struct sql_endpoint sql;
	char pd[300], ticdc[300], status[300]; /* URLs; "": none */
	uint64_t cluster_id; /* PD's, which proves that it is the one that is meant; 0: not given */
	struct attach_tls tls;     /* of PD, TiCDC and the status port */
	struct attach_tls sql_tls; /* given: of SQL; sql has it already */
	/* of TiCDC where a changefeed writes into this cluster; user "": drtest makes one */
	char sink_user[129], sink_password[256];
	bool has_sink;              /* the file has one */
	struct attach_tls sink_tls; /* file names on TiCDC's machine */
	struct attach_secret password, sink_secret;
	bool expendable; /* implies all of `allow` */
	bool mysql;      /* MySQL or MariaDB: no TiDB statements, no PD, no TiCDC */
	unsigned allow;  /* bits 1 << ability */
	/* argv, NULL-terminated; [0] NULL: none */
	char *command[ATTACH_COMMANDS][ATTACH_WORDS_MAX + 1];
};
struct attach_file {
	struct attach_cluster c[ATTACH_CLUSTERS_MAX];
	size_t n;
	/* URIs of what is there already: the newest backup, the live redo log, where a run may
	 * put things */
	char backup[2048], redo[2048], store[2048];
	/* the id of the one that runs from primary to secondary; "": not told */
	char changefeed[128];
	char loose[1024];        /* secrets that others can read or write, and chmod; "": none */
	char redo_time_zone[65]; /* in which TiCDC runs: "+08:00", "Asia/Shanghai"; "": not told */
};
/* Mistakes are told with file and field. Secrets come by env "NAME" in the file, or as a struct
 * attach_secret. */
int attach_file_read(struct attach_file *f, const char *path, struct err *e);
/* The same, and env "NAME" is "${NAME}": for who prints the file's content and no secret. */
int attach_file_read_named(struct attach_file *f, const char *path, struct err *e);
/* Reads what is a file's or a command's; once for each file that was read. */
int attach_secrets(struct attach_file *f, struct err *e);
/* Notes in f->loose, once for each file, that others can read or write it. what: "a password" */
void attach_note_loose(struct attach_file *f, const char *path, const char *what);
void attach_words_free(char **words);                            /* each of them; the list stays */
struct http_tls attach_http_tls(const struct attach_cluster *c); /* points into c */
/* docs/CLUSTERS.md, from the table by which a file is checked */
void attach_file_reference(struct strbuf *out);
/* ERR_ENV: PD says that it is another cluster than cluster_id, where the file gives one */
int attach_is_the_one(const struct attach_cluster *c, struct err *e);
/* What tells the cluster from others at another time: "cluster " and PD's id, or, where no PD
 * answers, "server " and its address. */
void attach_identity(const struct attach_cluster *c, struct strbuf *out);
/* attach_is_the_one(), and it is the one that had that identity. */
int attach_is_noted(const struct attach_cluster *c, const char *identity, struct err *e);
/* Before a replay where this run has made no changefeed: ends what a changefeed of an ended run has
 * left running as its user (drtest_cdc_…). ERR_ENV: a run that lives, or one of another machine,
 * writes there; nothing was ended. */
int attach_end_sinks(struct sql *s, const char *cluster, struct err *e);
/* reads the secrets of attach_used() */
int attach_use_secrets(struct err *e);
void attach_file_release(struct attach_file *f);

/* The file of this process. */
int attach_use(const char *path, struct err *e);
const struct attach_file *attach_used(void); /* NULL: none */
const char *attach_path(void);               /* of the file; "": none */
/* 0, or ERR_USAGE: what the file does not allow, and how it would. Asked in --plan too. */
int attach_allows(const char *cluster, enum ability v, struct err *e);
const char *attach_verb_text(enum ability v); /* "kill", as in `allow` */

/* What a run is going to do, gathered while its plan is made: each verb that attach_allows() was
 * asked for, and these. */
enum attach_thing { ATTACH_STORE, ATTACH_REDO, ATTACH_THINGS };
unsigned attach_needed_of(const struct attach_cluster *c); /* bits 1 << ability */
bool attach_thing_needed(enum attach_thing what);
bool attach_unreachable(const struct attach_cluster *c); /* by SQL: the preflight has said so */
/* What stands in the way of all that, looked at in the clusters and stores before anything is
 * touched. Number of findings. */
int attach_check(finding_fn *fn, void *arg);
/* For `drtest doctor`: everything of each cluster of the file. note: what is there and well, or
 * worth knowing. */
int attach_doctor(ground_say_fn *say, finding_fn *fn, void *arg);

#endif
