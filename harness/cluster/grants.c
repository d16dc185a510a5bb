#include "harness/cluster/grants.h"

#include <string.h>

#define READ "SELECT, SHOW VIEW"
/* what a replay of any log may have to do, and see: other sessions, to end a dead changefeed's */
#define REPLAY \
	"INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, PROCESS"

static const struct {
	const char *tidb, *mariadb;
} rights[GRANTS_ACCOUNTS] = {
	[GRANTS_COMPARE] = { READ, READ },
	[GRANTS_PRIMARY] = { READ ", BACKUP_ADMIN, SYSTEM_VARIABLES_ADMIN", READ ", RELOAD" },
	[GRANTS_SCRATCH] = { READ ", " REPLAY ", CONNECTION_ADMIN, RESTORE_ADMIN",
			     READ ", " REPLAY ", TRIGGER, CONNECTION ADMIN, SET USER" },
	[GRANTS_DRILL] = { READ
			   ", " REPLAY
			   ", CONNECTION_ADMIN, BACKUP_ADMIN, RESTORE_ADMIN, SYSTEM_VARIABLES_ADMIN",
			   READ ", " REPLAY ", TRIGGER, CONNECTION ADMIN, SET USER, RELOAD" },
	[GRANTS_SINK] = { "ALTER, CREATE, CREATE VIEW, DELETE, DROP, INDEX, INSERT, REFERENCES, SELECT, "
			  "UPDATE",
			  "ALTER, CREATE, CREATE VIEW, DELETE, DROP, INDEX, INSERT, REFERENCES, SELECT, "
			  "UPDATE" },
};

static const struct {
	const char *role, *user;
	enum grants_account account; /* GRANTS_ACCOUNTS: none */
	const char *where;
} accounts[] = {
	{ "compare", "drtest_compare", GRANTS_COMPARE,
	  "on both sides of `drtest diff`. It needs TRIGGER and EVENT only to list triggers and "
	  "events, which are never compared" },
	{ "watch", "", GRANTS_ACCOUNTS,
	  "no account: `drtest redo watch`, `meta`, `check` and `cat` only read the store. The "
	  "store's key must be able to list and read the redo log's prefix" },
	{ "rehearse", "drtest_rehearse", GRANTS_PRIMARY,
	  "on the primary, which is only read; also for `drtest backup`" },
	{ "rehearse", "drtest_scratch", GRANTS_SCRATCH,
	  "on the scratch cluster; also for `drtest restore` and `drtest redo apply`" },
	{ "drill", "drtest_drill", GRANTS_DRILL, "on each cluster of the drill" },
	{ "drill", "drtest_sink", GRANTS_SINK,
	  "TiCDC's account, on each cluster that a changefeed writes to: sink = { user = …, "
	  "password = … } in the clusters file" },
};

void grants_list(enum grants_account a, enum sql_flavor kind, struct strbuf *out)
{
	const char *p = kind == SQL_TIDB ? rights[a].tidb : rights[a].mariadb;

	while (*p) {
		size_t n = strcspn(p, ",");

		if (kind == SQL_MYSQL && n == 8 && !strncmp(p, "SET USER", n))
			strbuf_addstr(out, "SET_USER_ID");
		else if (kind == SQL_MYSQL && n == 16 && !strncmp(p, "CONNECTION ADMIN", n))
			strbuf_addstr(out, "CONNECTION_ADMIN");
		else
			strbuf_add(out, p, n);
		p += n;
		if (*p) {
			strbuf_addstr(out, ", ");
			p += strspn(p, ", ");
		}
	}
}

bool grants_role_known(const char *role)
{
	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
		if (!strcmp(accounts[i].role, role))
			return true;
	return false;
}

/* Notes that go with a right which not everybody wants to give. */
static void add_notes(enum grants_account a, enum sql_flavor kind, struct strbuf *out)
{
	if (kind == SQL_TIDB && (a == GRANTS_PRIMARY || a == GRANTS_DRILL))
		strbuf_addstr(
			out,
			"-- SYSTEM_VARIABLES_ADMIN holds garbage collection while the backup is "
			"read: remove it if allow has no \"gc\"\n");
	if (kind == SQL_TIDB && (a == GRANTS_PRIMARY || a == GRANTS_SCRATCH))
		strbuf_addstr(
			out,
			a == GRANTS_PRIMARY
				? "-- BACKUP_ADMIN: remove it if the clusters file has a backup\n"
				: "-- RESTORE_ADMIN: remove it if you only use `drtest redo "
				  "apply`\n");
	if (kind != SQL_TIDB && (a == GRANTS_PRIMARY || a == GRANTS_DRILL))
		strbuf_addstr(
			out,
			"-- RELOAD blocks DDLs during the snapshot: without it, a backup starts "
			"over if a DDL comes between\n");
	if (kind != SQL_TIDB && (a == GRANTS_SCRATCH || a == GRANTS_DRILL))
		strbuf_addf(out,
			    "-- %s: only if a restored view has another account as its definer\n",
			    kind == SQL_MYSQL ? "SET_USER_ID" : "SET USER");
	if (a == GRANTS_SCRATCH || a == GRANTS_DRILL)
		strbuf_addf(
			out,
			"-- PROCESS and %s: to see and kill what a dead changefeed left running "
			"there\n",
			kind == SQL_MARIADB ? "CONNECTION ADMIN" : "CONNECTION_ADMIN");
}

void grants_text(const char *role, enum sql_flavor kind, const char *user, const char *host,
		 struct strbuf *out)
{
	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++) {
		struct strbuf who = STRBUF_INIT;
		const char *name =
			user && accounts[i].account != GRANTS_SINK ? user : accounts[i].user;

		if (role && strcmp(role, accounts[i].role) != 0)
			continue;
		strbuf_addf(out, "%s-- %s: %s\n", out->len ? "\n" : "", accounts[i].role,
			    accounts[i].where);
		if (accounts[i].account == GRANTS_ACCOUNTS)
			continue;
		sql_add_text(&who, name, strlen(name));
		strbuf_addch(&who, '@');
		sql_add_text(&who, host, strlen(host));
		add_notes(accounts[i].account, kind, out);
		strbuf_addf(out, "CREATE USER IF NOT EXISTS %s ACCOUNT LOCK;\nGRANT ", who.buf);
		grants_list(accounts[i].account, kind, out);
		strbuf_addf(out,
			    " ON *.* TO %s;\n-- ALTER USER %s IDENTIFIED BY '…' ACCOUNT UNLOCK;\n",
			    who.buf, who.buf);
		strbuf_release(&who);
	}
}
