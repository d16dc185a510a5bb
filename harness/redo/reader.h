/* Reads a redo log from a store: its meta, the list of its files, one file as a stream. scan.h
 * reads a whole log with these. */
#ifndef HARNESS_REDO_READER_H
#define HARNESS_REDO_READER_H

#include "harness/net/store.h"
#include "harness/redo/codec.h"

/* Whose log lies in a store: each changefeed that has files there. */
struct redo_feed {
	char name_space[256], changefeed[256], capture[256];
	bool has_meta, has_files;
};
struct redo_feeds {
	struct redo_feed *f;
	size_t n;
	/* keys of the marks that removals of changefeeds left, whosever */
	char **marks;
	size_t n_marks;
};
int redo_list_feeds(struct store *s, struct redo_feeds *out, struct err *e);
void redo_feeds_release(struct redo_feeds *f);
/* ERR_BAD_DATA: the mark of its removal is there. Its files are being deleted, or what is left of
 * them was forgotten. */
int redo_feed_removed(struct store *s, const struct redo_feeds *all, const struct redo_feed *f,
		      struct err *e);

/* Maxima over all .meta objects. None: ERR_NOT_FOUND "redo log has no meta file". resolvedTs <
 * checkpointTs, the files of a changefeed that was removed, or files of two changefeeds, whose
 * metas and rows would be taken for one log: ERR_BAD_DATA. */
int redo_read_meta(struct store *s, struct redo_meta *m, struct err *e);
/* whosever files there are: for who judges them */
int redo_read_any_meta(struct store *s, struct redo_meta *m, struct err *e);

struct redo_file {
	struct redo_name name;
	char *key;
	uint64_t size_bytes;
	bool sidecar; /* it has one: our writer's */
};
struct redo_files {
	struct redo_file *f;
	size_t n;
	/* of which there is the sidecar alone; key: the log file's */
	struct redo_file *orphans;
	size_t n_orphans;
};
/* The log files of the prefix, rows and DDLs, sorted by (kind, max_commit_ts, key). Foreign objects
 * are ignored; a .sort or unparsable .log is refused. */
int redo_list_files(struct store *s, struct redo_files *out, struct err *e);
void redo_files_release(struct redo_files *f);
/* base: the key without its folder */
bool redo_files_have(const struct redo_files *f, const struct redo_name *name, const char *base);
/* Was the log file lost? ERR_BAD_DATA: it held changes of (checkpointTs, resolvedTs]. What is left
 * of a collected file, and of a put that never ended, is no fault. */
int redo_orphan_fault(struct store *s, const struct redo_meta *m, const struct redo_file *orphan,
		      struct err *e);
/* says so, and returns -1 */
int redo_file_missing(const char *key, const struct redo_meta *m, const char *evidence,
		      struct err *e);
/* of all orphans */
int redo_files_whole(struct store *s, const struct redo_meta *m, const struct redo_files *f,
		     struct err *e);
/* A meta and a list that belong together, of a log that may live: every file of (checkpointTs,
 * resolvedTs] is in the list. any_feed: as redo_read_any_meta. */
int redo_look(struct store *s, bool any_feed, struct redo_meta *m, struct redo_files *out,
	      struct err *e);

/* Decodes a stream of bytes of one file (lz4 or plain). Feed pieces, then end. */
struct redo_parse_result {
	uint64_t records;
	uint64_t bytes;   /* uncompressed, whole frames */
	bool torn;        /* a tail that is no whole frame was left out (only with tmp) */
	uint64_t torn_at; /* its offset */
};
struct redo_parser;
/* -1 with *e stops */
typedef int redo_event_fn(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e);
/* label: for errors */
struct redo_parser *redo_parser_new(const char *label, bool tmp, redo_event_fn *fn, void *arg);
int redo_parser_feed(struct redo_parser *p, const void *data, size_t n, struct err *e);
/* a torn .log is ERR_BAD_DATA with file and offset */
int redo_parser_end(struct redo_parser *p, struct redo_parse_result *r, struct err *e);
/* what was whole so far, after an error */
void redo_parser_state(const struct redo_parser *p, struct redo_parse_result *r);
void redo_parser_free(struct redo_parser *p);

/* One file of a store through a parser, its sidecar (if there is one) verified: record count and
 * XXH3 of the bytes as stored. */
int redo_read_file(struct store *s, const struct redo_file *f, redo_event_fn *fn, void *arg,
		   struct redo_parse_result *r, struct err *e);

#endif
