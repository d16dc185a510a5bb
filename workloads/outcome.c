#include "workloads/outcome.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

/* TiDB's own codes, that no header of the client library has. */
enum {
	TIDB_FOR_UPDATE_CANT_RETRY = 8002,
	TIDB_TXN_RETRYABLE = 8022,
	TIDB_SCHEMA_EXPIRED = 8027,
	TIDB_SCHEMA_CHANGED = 8028,
	TIDB_PD_TIMEOUT = 9001,
	TIDB_REGION_UNAVAILABLE = 9005,
	TIDB_WRITE_CONFLICT = 9007,
	TIDB_STALE_COMMAND = 9013,
	TIDB_LOCK_EXPIRED = 8229,
	MYSQL_READ_ONLY_MODE = 1836,
};

enum failure failure_of(int code, const char *text)
{
	switch (code) {
	case CR_SERVER_GONE_ERROR:
	case CR_SERVER_LOST:
	case CR_SERVER_LOST_EXTENDED:
	case CR_CONNECTION_ERROR:
	case CR_CONN_HOST_ERROR:
	case CR_MALFORMED_PACKET:
	case CR_UNKNOWN_ERROR:
	case CR_COMMANDS_OUT_OF_SYNC:
	case CR_IPSOCK_ERROR:
	case CR_SOCKET_CREATE_ERROR:
	case ER_SERVER_SHUTDOWN:
	case ER_CONNECTION_KILLED:
	case ER_QUERY_INTERRUPTED:
	case ER_NEW_ABORTING_CONNECTION:
	case ER_NET_READ_ERROR:
	case ER_NET_READ_INTERRUPTED:
	case ER_NET_ERROR_ON_WRITE:
	case ER_NET_WRITE_INTERRUPTED: return FAILURE_LOST;
	case ER_LOCK_DEADLOCK:
	case ER_LOCK_WAIT_TIMEOUT:
	case ER_CHECKREAD:
	case TIDB_WRITE_CONFLICT:
	case TIDB_FOR_UPDATE_CANT_RETRY:
	case TIDB_SCHEMA_CHANGED: return FAILURE_CONFLICT;
	case MYSQL_READ_ONLY_MODE: return FAILURE_REFUSED;
	/* --read-only, --super-read-only; of --secure-file-priv and its like no waiting helps */
	case ER_OPTION_PREVENTS_STATEMENT:
		return strstr(text, "read-only") || strstr(text, "read_only") ? FAILURE_REFUSED
									      : FAILURE_OTHER;
	case TIDB_TXN_RETRYABLE:
	case TIDB_SCHEMA_EXPIRED:
	case TIDB_STALE_COMMAND:
	case TIDB_LOCK_EXPIRED: return FAILURE_AWAY;
	/* of a machine that stood still for longer than its pessimistic locks live */
	case ER_UNKNOWN_ERROR:
		return strstr(text, "tikv aborts txn") || strstr(text, "PessimisticLockNotFound") ||
				       strstr(text, "pessimistic lock retry limit")
			       ? FAILURE_AWAY
			       : FAILURE_OTHER;
	default:
		return code >= TIDB_PD_TIMEOUT && code <= TIDB_REGION_UNAVAILABLE ? FAILURE_AWAY
										  : FAILURE_OTHER;
	}
}

enum txn_outcome outcome_of_failure(const struct txn_state *s, enum failure f)
{
	bool sure = f == FAILURE_CONFLICT || f == FAILURE_REFUSED;

	if (s->committed)
		return TXN_ACKED;
	if (s->autocommitted) /* a part of it is there */
		return TXN_UNKNOWN;
	if (s->at_commit)
		return sure ? TXN_FAILED : TXN_UNKNOWN;
	return s->in_txn || !s->wrote || sure ? TXN_FAILED : TXN_UNKNOWN;
}
