/* Reads a TiCDC redo log from a store: its meta, the list of its files, and one file as a stream of
 * events. scan.h reads a whole log with these functions. A log may be written to while it is read;
 * redo_look() gives a meta and a list that fit together. Contents are untrusted: damage is
 * ERR_BAD_DATA, with the key and the offset. */
#ifndef HARNESS_REDO_READER_H
#define HARNESS_REDO_READER_H

#include "harness/net/store.h"
#include "harness/redo/codec.h"

/* A changefeed with files in the store. */
struct redo_feed {
	char name_space[256], changefeed[256], capture[256];
	bool has_meta, has_files;
};
struct redo_feeds {
	struct redo_feed *f;
	size_t n;
	/* keys of the marks that TiCDC leaves when a changefeed is removed, of any changefeed */
	char **marks;
	size_t n_marks;
};
int redo_list_feeds(struct store *s, struct redo_feeds *out, struct err *e);
void redo_feeds_release(struct redo_feeds *f);
/* ERR_BAD_DATA: the changefeed was removed (its mark is there), so its files are being deleted, or
 * are what the deletion left. */
int redo_feed_removed(struct store *s, const struct redo_feeds *all, const struct redo_feed *f,
		      struct err *e);

/* The maxima over all .meta objects. ERR_NOT_FOUND: there is none ("redo log has no meta file").
 * ERR_BAD_DATA: resolvedTs < checkpointTs, a removed changefeed, or files of two changefeeds, which
 * would be read as one log. */
int redo_read_meta(struct store *s, struct redo_meta *m, struct err *e);
/* the same without looking at whose files they are, for callers that check this themselves */
int redo_read_any_meta(struct store *s, struct redo_meta *m, struct err *e);

struct redo_file {
	struct redo_name name;
	char *key;
	uint64_t size_bytes;
	bool sidecar; /* drtest's writer has left a sidecar with its checksum */
};
struct redo_files {
	struct redo_file *f;
	size_t n;
	/* sidecars without their log file; key is the log file's */
	struct redo_file *orphans;
	size_t n_orphans;
};
/* The log files with rows and DDLs, sorted by (kind, max_commit_ts, key). Other objects are
 * ignored; a .sort file, or a .log file whose name can't be parsed, is an error. */
int redo_list_files(struct store *s, struct redo_files *out, struct err *e);
void redo_files_release(struct redo_files *f);
/* base: the key without its folder */
bool redo_files_have(const struct redo_files *f, const struct redo_name *name, const char *base);
/* Was the log file of this sidecar lost? ERR_BAD_DATA: yes, it had changes of (checkpointTs,
 * resolvedTs]. 0: it was garbage collected, or its upload never ended. */
int redo_orphan_fault(struct store *s, const struct redo_meta *m, const struct redo_file *orphan,
		      struct err *e);
/* sets *e to "the file is missing", and returns -1 */
int redo_file_missing(const char *key, const struct redo_meta *m, const char *evidence,
		      struct err *e);
/* redo_orphan_fault() for all orphans */
int redo_files_whole(struct store *s, const struct redo_meta *m, const struct redo_files *f,
		     struct err *e);
/* Reads a meta and a list that fit together, also while the log is written to: the list has every
 * file of (checkpointTs, resolvedTs]. any_feed: as redo_read_any_meta(). */
int redo_look(struct store *s, bool any_feed, struct redo_meta *m, struct redo_files *out,
	      struct err *e);

/* Decodes the bytes of one file (lz4 or plain): new, feed with pieces of any size, end, free. */
struct redo_parse_result {
	uint64_t records;
	uint64_t bytes; /* uncompressed, whole frames */
	bool torn; /* the file ends with an incomplete frame, which was ignored (only with tmp) */
	uint64_t torn_at; /* the frame's offset */
};
struct redo_parser;
/* called for each event; -1 with *e stops */
typedef int redo_event_fn(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e);
/* label: the file's name in errors. tmp: the file may end with an incomplete frame */
struct redo_parser *redo_parser_new(const char *label, bool tmp, redo_event_fn *fn, void *arg);
int redo_parser_feed(struct redo_parser *p, const void *data, size_t n, struct err *e);
/* ERR_BAD_DATA if the last frame is incomplete, unless tmp */
int redo_parser_end(struct redo_parser *p, struct redo_parse_result *r, struct err *e);
/* after an error: what was complete until then */
void redo_parser_state(const struct redo_parser *p, struct redo_parse_result *r);
void redo_parser_free(struct redo_parser *p);

/* Reads one file of a store through a parser. If it has a sidecar, the number of records and the
 * XXH3 of the stored bytes have to match it. */
int redo_read_file(struct store *s, const struct redo_file *f, redo_event_fn *fn, void *arg,
		   struct redo_parse_result *r, struct err *e);

#endif
