/* The events of MariaDB's binary log: header, checksum, and the bodies other than row images and
 * table maps. What a function returns points into the event's bytes unless it is a strbuf. All
 * input is untrusted: damage is ERR_BAD_DATA. */
#ifndef HARNESS_BINLOG_BINLOG_EVENT_H
#define HARNESS_BINLOG_BINLOG_EVENT_H

#include <stdbool.h>

#include "harness/base/strbuf.h"
#include "harness/binlog/table_map.h"
#include "harness/sql/charset.h"
#include "harness/sql/ddl/ddl_session.h"

/* The types that the changefeed knows, with the numbers of MariaDB sql/log_event.h. */
enum binlog_event_type {
	EV_QUERY = 2,
	EV_STOP = 3,
	EV_ROTATE = 4,
	EV_INTVAR = 5,
	EV_RAND = 13,
	EV_USER_VAR = 14,
	EV_FORMAT = 15,
	EV_XID = 16,
	EV_BEGIN_LOAD_QUERY = 17,
	EV_EXECUTE_LOAD_QUERY = 18,
	EV_APPEND_BLOCK = 9,
	EV_DELETE_FILE = 11,
	EV_TABLE_MAP = 19,
	EV_WRITE_ROWS_V1 = 23,
	EV_UPDATE_ROWS_V1 = 24,
	EV_DELETE_ROWS_V1 = 25,
	EV_INCIDENT = 26,
	EV_HEARTBEAT = 27,
	EV_WRITE_ROWS = 30,
	EV_UPDATE_ROWS = 31,
	EV_DELETE_ROWS = 32,
	EV_XA_PREPARE = 38,
	EV_ANNOTATE_ROWS = 160,
	EV_CHECKPOINT = 161,
	EV_GTID = 162,
	EV_GTID_LIST = 163,
	EV_START_ENCRYPTION = 164,
	EV_QUERY_COMPRESSED = 165,
	EV_DELETE_ROWS_COMPRESSED = 171,
};
enum { EVENT_HEADER_BYTES = 19, EVENT_CHECKSUM_BYTES = 4 };
enum { EVENT_IGNORABLE = 0x80 }; /* header flag */
enum {
	GTID_STANDALONE = 0x01,
	GTID_GROUP_COMMIT = 0x02,
	GTID_DDL = 0x20,
	GTID_PREPARED_XA = 0x40,
	GTID_COMPLETED_XA = 0x80
};
/* flags_extra: with binlog_alter_two_phase=ON an ALTER TABLE is logged when it starts, and again
 * when it ends. */
enum { GTID_START_ALTER = 0x02, GTID_COMMIT_ALTER = 0x04, GTID_ROLLBACK_ALTER = 0x08 };

struct binlog_event {
	uint8_t type;
	uint32_t when_s; /* Unix time at which the statement started */
	uint32_t server_id;
	uint16_t flags;
	const uint8_t *body; /* without header and checksum */
	size_t n;
};
enum binlog_checksum { CHECKSUM_UNKNOWN = -1, CHECKSUM_NONE = 0, CHECKSUM_CRC32 = 1 };
/* *alg: the checksum of events. A format description event sets it, for itself and the events after
 * it; before the first one a checksum stays part of the body. */
int binlog_event_parse(struct binlog_event *ev, const uint8_t *raw, size_t n,
		       enum binlog_checksum *alg, struct err *e);

struct binlog_gtid {
	uint64_t seq;
	uint32_t domain;
	uint8_t flags, flags_extra; /* GTID_*, GTID_*_ALTER */
};
int binlog_gtid_parse(struct binlog_gtid *g, const struct binlog_event *ev, struct err *e);

struct binlog_query {
	/* the default database, also for CREATE and ALTER DATABASE, whose events suppress USE; "":
	 * none */
	struct strbuf db;
	struct strbuf text; /* UTF-8 */
	/* 0: the text was converted completely; else the client's collation, which is unknown, so
	 * that characters other than ASCII are '?' */
	int unreadable;
	struct ddl_session session; /* variables from the event, with the error code */
};
/* Replaces the strbufs. sets: the primary's character sets, to convert the text. */
int binlog_query_parse(struct binlog_query *q, const struct binlog_event *ev, struct charsets *sets,
		       struct err *e);

struct binlog_rows {
	uint64_t table_id;
	bool is_dummy; /* no rows: it only ends the statement */
	bool has_before, has_after;
	uint32_t n_columns;
	const uint8_t *before_present, *after_present; /* bitmaps over the table's columns */
	const uint8_t *p, *end;                        /* the row images */
};
int binlog_rows_parse(struct binlog_rows *r, const struct binlog_event *ev, struct err *e);

#endif
