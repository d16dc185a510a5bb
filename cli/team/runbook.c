#include "cli/team/runbook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/secret.h"
#include "harness/base/uri.h"
#include "harness/base/xalloc.h"
#include "reports/stats.h"
#include "reports/text.h"

#define NAMES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

/* ---- for a shell */

/* Within double quotes; "${NAME}" stays what it is to the shell. */
static void add_inside_quotes(struct strbuf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		size_t n = c[0] == '$' && c[1] == '{' ? strspn(c + 2, NAMES) : 0;

		if (n && c[2 + n] == '}') {
			strbuf_add(out, c, n + 3);
			c += n + 2;
			continue;
		}
		if (strchr("\"\\$`", *c))
			strbuf_addch(out, '\\');
		strbuf_addch(out, *c == '\n' ? ' ' : *c);
	}
}

static void add_quoted(struct strbuf *out, const char *text)
{
	strbuf_addch(out, '"');
	add_inside_quotes(out, text);
	strbuf_addch(out, '"');
}

static void add_word(struct strbuf *out, const char *w)
{
	if (*w && w[strspn(w, NAMES "-./:=,@+%")] == '\0')
		strbuf_addstr(out, w);
	else
		add_quoted(out, w);
}

static void add_words(struct strbuf *out, char *const *argv)
{
	for (size_t i = 0; argv[i]; i++) {
		strbuf_addstr(out, i ? " " : "");
		add_word(out, argv[i]);
	}
}

/* "new-primary" as NEW_PRIMARY */
static void add_variable(struct strbuf *out, const char *name)
{
	for (; *name; name++)
		strbuf_addch(out, *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A')
				  : strchr(NAMES, *name)       ? *name
							       : '_');
}

/* "${NAME}" and nothing else: what the clusters file has from the environment. */
static bool is_named(const char *text, size_t n)
{
	return n > 3 && !strncmp(text, "${", 2) && strspn(text + 2, NAMES) == n - 3 &&
	       text[n - 1] == '}';
}

/* How the shell gets a password: from the environment, a file, or a command. "": there is none. */
static void password_of(struct strbuf *out, const char *cluster, const char *text,
			const struct attach_secret *s)
{
	if (s->file[0]) {
		strbuf_addstr(out, "$(head -n 1 ");
		add_quoted(out, s->file);
		strbuf_addch(out, ')');
	} else if (s->command[0]) {
		strbuf_addstr(out, "$(");
		add_words(out, s->command);
		strbuf_addstr(out, " | head -n 1)");
	} else if (is_named(text, strlen(text))) {
		strbuf_addstr(out, text);
	} else if (*text) { /* it stands in the file, and not here */
		strbuf_addstr(out, "${");
		add_variable(out, cluster);
		strbuf_addstr(out, "_PASSWORD}");
	}
}

/* export REDO_URI="s3://…": a key that stands in the file becomes a variable to be set. */
static void export_store(struct strbuf *out, const char *name, const char *uri)
{
	struct strbuf text = STRBUF_INIT;
	size_t n = strcspn(uri, "?");

	strbuf_add(&text, uri, n);
	for (const char *p = uri + n; *p; p += n) {
		size_t key = strcspn(p + 1, "=&");
		char *param = xstrndup(p + 1, key);

		n = 1 + strcspn(p + 1, "&");
		if (p[1 + key] == '=' && secret_name(param) &&
		    !is_named(p + 2 + key, n - 2 - key)) {
			strbuf_addf(&text, "%c%s=${%s_", *p, param, name);
			add_variable(&text, param);
			strbuf_addch(&text, '}');
		} else {
			strbuf_add(&text, p, n);
		}
		free(param);
	}
	strbuf_addf(out, "export %s_URI=", name);
	add_quoted(out, text.buf);
	strbuf_addch(out, '\n');
	strbuf_release(&text);
}

/* export SECONDARY_URI="mysql://user:…@host:port/?…" */
static void export_sql(struct strbuf *out, const char *name, const struct attach_cluster *c)
{
	const struct sql_endpoint *ep = &c->sql;
	const struct {
		const char *name, *value;
	} tls[] = { { "ssl-ca", ep->ssl_ca },
		    { "ssl-cert", ep->ssl_cert },
		    { "ssl-key", ep->ssl_key },
		    { "ssl-server-name", ep->ssl_server_name } };
	struct strbuf password = STRBUF_INIT, user = STRBUF_INIT;
	char *host = xstrfmt(strchr(ep->host, ':') ? "[%s]:%u" : "%s:%u", ep->host, ep->port);
	char sign = '?';

	password_of(&password, c->name, ep->password, &c->password);
	strbuf_addf(out, "export %s=\"mysql%s://", name, ep->tls == SQL_TLS_VERIFY ? "+ssl" : "");
	uri_encode(&user, ep->user, strlen(ep->user), NULL);
	add_inside_quotes(out, user.buf);
	if (password.len)
		strbuf_addf(out, ":$(uri_encode \"%s\")", password.buf);
	strbuf_addch(out, '@');
	add_inside_quotes(out, host);
	strbuf_addch(out, '/');
	for (size_t i = 0; i < sizeof(tls) / sizeof(tls[0]); i++)
		if (*tls[i].value) {
			strbuf_addf(out, "%c%s=", sign, tls[i].name);
			add_inside_quotes(out, tls[i].value);
			sign = '&';
		}
	strbuf_addstr(out, "\"\n");
	strbuf_release(&password);
	strbuf_release(&user);
	free(host);
}

/* The names of "${NAME}" in a text, each once. */
static void add_needed(struct strbuf *out, const char *text)
{
	for (const char *c = text; (c = strstr(c, "${")); c += 2) {
		size_t n = strspn(c + 2, NAMES);
		char *line;

		if (!n || c[2 + n] != '}')
			continue;
		line = xstrfmt(": \"${%.*s:?is not set}\"\n", (int)n, c + 2);
		if (!strstr(out->buf, line))
			strbuf_addstr(out, line);
		free(line);
	}
}

/* ---- what the last drills took */

/* Of one figure over the drills, in seconds; 0: it was never measured. */
static size_t measured_times(const struct runbook *b, const char *name, double *median,
			     double *worst)
{
	double *all = xmalloc((b->runs_n + 1) * sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; i < b->runs_n; i++) {
		double v = run_row_value(&b->runs[i], name);

		if (v >= 0)
			all[n++] = v / 1e3;
	}
	if (n) {
		*median = stats_median(all, n); /* sorts them */
		*worst = all[n - 1];
	}
	free(all);
	return n;
}

static void add_times(const struct runbook *b, struct page *p)
{
	static const char *const figures[][2] = {
		{ "rto_detect_ms", "until it was noticed" },
		{ "rto_replay_ms", "the replay" },
		{ "rto_promote_ms", "until the first write on the secondary, from there" },
		{ "rto_ms", "time without service" },
		{ "redundant_ms", "until there was a new partner" },
		{ "rpo_ms", "lost writes (data-loss window)" },
	};
	const char *const head[] = { "what", "median", "worst", "drills", NULL };
	char when[40], a[TEXT_NUMBER], w[TEXT_NUMBER], n_text[32];
	bool any = false;

	page_heading(p, 2, "What it takes");
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		double median, worst;
		size_t n = measured_times(b, figures[i][0], &median, &worst);
		const char *const row[] = { figures[i][1], text_seconds(a, n ? median : 0),
					    text_seconds(w, n ? worst : 0), n_text, NULL };

		if (!n)
			continue;
		if (!any)
			page_row(p, head);
		any = true;
		snprintf(n_text, sizeof(n_text), "%zu", n);
		page_row(p, row);
	}
	if (any) {
		time_t s = b->runs[b->runs_n - 1].started_ms / 1000;
		struct tm tm;

		gmtime_r(&s, &tm);
		strftime(when, sizeof(when), "%Y-%m-%d", &tm);
		page_say(p,
			 "Measured by drtest, without people; the last drill was on %s, scenario "
			 "%s on %s. People take longer: a game day (`drtest gameday`) shows how "
			 "much.",
			 when, b->runs[b->runs_n - 1].scenario, b->runs[b->runs_n - 1].ground);
	} else {
		page_say(p, "Not measured yet: the history has no drill. Run `drtest run rehearse "
			    "--on attach --clusters …`, which measures the replay and only reads "
			    "from the pair; then print this runbook again.");
	}
}

/* ---- the steps */

static void prepare(const struct runbook *b, struct page *p, const struct attach_cluster *primary,
		    const struct attach_cluster *secondary, const struct attach_cluster *fresh)
{
	struct strbuf sh = STRBUF_INIT, exports = STRBUF_INIT;

	strbuf_addstr(
		&exports,
		"uri_encode() { printf %s \"$1\" | od -An -v -tx1 | tr -d '\\n' | sed 's/ /%/g'; }\n");
	export_store(&exports, "REDO", b->file->redo);
	export_sql(&exports, "SECONDARY_URI", secondary);
	if (primary)
		export_sql(&exports, "PRIMARY_URI", primary);
	if (fresh)
		export_sql(&exports, "NEW_PRIMARY_URI", fresh);
	if (fresh && b->file->store[0])
		export_store(&exports, "STORE", b->file->store);
	add_needed(&sh, exports.buf);
	strbuf_addstr(&sh, exports.buf);
	page_heading(p, 2, "0. Prepare a shell");
	page_say(p, "Type all commands below into one shell, on a machine that can reach the store "
		    "and the secondary. Secrets come from the places that the clusters file names; "
		    "this page contains none.");
	page_shell(p, sh.buf);
	page_item(p, "If a line reports `is not set`, export that variable and start again.");
	strbuf_release(&sh);
	strbuf_release(&exports);
}

static void decide(const struct runbook *b, struct page *p, const struct attach_cluster *primary)
{
	const char *const head[] = { "you see", "then", NULL };
	const char *const rows[][3] = {
		{ "the primary responds to SQL from another machine, or its operator says it "
		  "will be back within a minute",
		  "wait: a failover costs what the next line shows, and the way back", NULL },
		{ "it has not responded to anybody for 60 s, and nobody can say when it will",
		  "fail over: continue with 2", NULL },
		{ "`drtest redo watch` warns (more would be lost than the flush interval explains)",
		  "ask the owner of the data before you continue; the log may have been stuck "
		  "since before the primary died",
		  NULL },
		{ "the redo log cannot be read",
		  "a replay is not possible: restore the last backup", NULL },
	};
	struct strbuf sh = STRBUF_INIT;

	page_heading(p, 2, "1. Is it a disaster? Decide");
	strbuf_addstr(&sh, "drtest redo watch --storage env:REDO_URI --once\n");
	if (primary && primary->pd[0]) {
		strbuf_addstr(&sh, "curl -sS --max-time 5 ");
		if (primary->tls.ca[0]) {
			strbuf_addstr(&sh, "--cacert ");
			add_quoted(&sh, primary->tls.ca);
			strbuf_addch(&sh, ' ');
		}
		if (primary->tls.cert[0]) {
			strbuf_addstr(&sh, "--cert ");
			add_quoted(&sh, primary->tls.cert);
			strbuf_addstr(&sh, " --key ");
			add_quoted(&sh, primary->tls.key);
			strbuf_addch(&sh, ' ');
		}
		add_quoted(&sh, primary->pd);
		strbuf_addstr(&sh,
			      "/pd/api/v1/health || echo 'PD of the primary does not respond'\n");
	}
	page_shell(p, sh.buf);
	page_row(p, head);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		page_row(p, rows[i]);
	if (b->max_rpo)
		page_item(p,
			  "The target: at most %s of writes are lost. If the first line above "
			  "shows more, the owner of the data decides.",
			  b->max_rpo);
	if (b->max_rto)
		page_item(p,
			  "The target: service is back within %s. If the remaining time is shorter "
			  "than \"What it takes\", start now.",
			  b->max_rto);
	strbuf_release(&sh);
}

static void fence(struct page *p, const struct attach_cluster *primary)
{
	struct strbuf sh = STRBUF_INIT;

	page_heading(p, 2, "2. Make sure that the old primary stays down");
	page_say(p, "A TiCDC that is still running would write into the data that you are about to "
		    "repair, and an application that still reaches the primary would write data "
		    "that will be lost.");
	if (primary && primary->command[ATTACH_KILL][0]) {
		add_words(&sh, primary->command[ATTACH_KILL]);
		strbuf_addch(&sh, '\n');
		page_shell(p, sh.buf);
	} else if (primary) {
		page_item(p,
			  "Stop every process of %s (`%s:%u`), its TiCDC%s%s%s first; or cut its "
			  "network connection.",
			  primary->name, primary->sql.host, primary->sql.port,
			  primary->ticdc[0] ? " (`" : "", primary->ticdc,
			  primary->ticdc[0] ? "`)" : "");
	} else {
		page_item(p,
			  "Stop every process of the primary, its TiCDC first; or cut its network "
			  "connection.");
	}
	page_item(
		p,
		"If it cannot be reached and cannot be stopped, cut its network connection, or "
		"the route from the applications to it (load balancer, DNS), before you continue.");
	strbuf_release(&sh);
}

static void replay(const struct runbook *b, struct page *p, const struct attach_cluster *secondary)
{
	struct strbuf sh = STRBUF_INIT, how = STRBUF_INIT;

	if (b->file->redo_time_zone[0])
		strbuf_addf(&how, " --time-zone %s", b->file->redo_time_zone);
	if (secondary->sink_user[0]) {
		strbuf_addstr(&how, " --fence-user ");
		add_quoted(&how, secondary->sink_user);
	}
	page_heading(p, 2, "3. Replay the redo log");
	strbuf_addstr(&sh, "drtest redo check --storage env:REDO_URI\n");
	strbuf_addf(
		&sh,
		"drtest redo apply --storage env:REDO_URI --sink-uri env:SECONDARY_URI%s --dry-run\n",
		how.buf);
	strbuf_addf(&sh,
		    "drtest redo apply --storage env:REDO_URI --sink-uri env:SECONDARY_URI%s\n",
		    how.buf);
	strbuf_addstr(&sh, "drtest redo meta --storage env:REDO_URI\n");
	page_shell(p, sh.buf);
	page_say(p,
		 "The secondary is then exactly as the primary was at the resolved-ts in the last "
		 "line; what was acknowledged later is lost. Write that TSO down.");
	page_item(p,
		  "If it was interrupted or the connection broke, run the same command again. It "
		  "can be killed and repeated at any moment.");
	page_item(p,
		  "If `check` reports BROKEN or `apply` refuses a torn file, ask the owner of the "
		  "data; `--allow-gap` continues and lists each gap.");
	page_item(p,
		  "If it refuses because the server does not look like the log's secondary, check "
		  "the address. Use `--yes` only if the address is right.");
	page_item(p, "If a privilege is missing: `drtest doctor --grants --role drill` prints the "
		     "account that a replay needs. Create it now, before a disaster.");
	page_item(p, "If it warns about a table, check that table before 4; rows may be missing.");
	page_item(p, "If drtest is not available: TiCDC's `cdc redo apply --storage … --tmp-dir … "
		     "--sink-uri …`, once, and from the beginning if it fails.");
	strbuf_release(&sh);
	strbuf_release(&how);
}

static void promote(struct page *p, const struct attach_cluster *secondary)
{
	struct strbuf sh = STRBUF_INIT;

	page_heading(p, 2, "4. Service on the secondary");
	page_say(p,
		 "Point the applications at `%s:%u`. Start with one; its first acknowledged write "
		 "ends the time without service.",
		 secondary->sql.host, secondary->sql.port);
	if (!secondary->mysql) {
		strbuf_addf(&sh, "mysql -h %s -P %u -u ", secondary->sql.host,
			    secondary->sql.port);
		add_word(&sh, secondary->sql.user);
		strbuf_addstr(
			&sh,
			" -p -e \"SELECT @@tidb_super_read_only, @@tidb_restricted_read_only\"");
		page_item(p,
			  "If writes are refused, `tidb_super_read_only` or "
			  "`tidb_restricted_read_only` is on. By hand: `%s`",
			  sh.buf);
	}
	page_item(p,
		  "If a connection pool keeps using the old address, restart it; a DNS name has a "
		  "time to live.");
	page_item(p,
		  "If something is wrong with the data, stop the applications again. You lose "
		  "nothing by that: the redo log is still there, and 3 can be repeated as long as "
		  "nobody has written.");
	strbuf_release(&sh);
}

static void add_redundancy(const struct runbook *b, struct page *p,
			   const struct attach_cluster *secondary,
			   const struct attach_cluster *fresh)
{
	page_heading(p, 2, "5. Redundant again");
	if (!fresh) {
		page_say(p,
			 "The clusters file has no `new-primary`. Build one, add it to the file, "
			 "and print this runbook again to see its commands here. Until then, the "
			 "secondary is the only copy.");
		return;
	}
	page_say(p,
		 "A new and empty cluster at `%s:%u` receives everything that the secondary has, "
		 "and then every change. Never use the old primary's disks: they contain the lost "
		 "transactions.",
		 fresh->sql.host, fresh->sql.port);
	if (secondary->mysql || fresh->mysql) {
		page_shell(
			p,
			"drtest backup --source-uri env:SECONDARY_URI --storage env:STORE_URI\n"
			"drtest restore --target-uri env:NEW_PRIMARY_URI --storage env:STORE_URI\n"
			"drtest diff --a env:SECONDARY_URI --b env:NEW_PRIMARY_URI\n");
	} else {
		page_item(
			p,
			"On the secondary: `SET GLOBAL tidb_gc_enable = FALSE`, then `BACKUP DATABASE * TO '…'` "
			"into an empty prefix of the store; note its BackupTS.");
		page_item(p, "On the new cluster: `RESTORE DATABASE * FROM '…'`.");
		page_item(p,
			  "On the secondary's TiCDC%s%s%s: `cdc cli changefeed create` with "
			  "`--start-ts` that BackupTS and the configuration with `[consistent] "
			  "level = \"eventual\"`; without it, TiCDC writes no redo log.",
			  secondary->ticdc[0] ? " (`" : "", secondary->ticdc,
			  secondary->ticdc[0] ? "`)" : "");
		page_item(p,
			  "On the secondary: `SET GLOBAL tidb_gc_enable = TRUE`. Then run `drtest "
			  "redo watch` on the new log until the warnings stop.");
	}
	page_item(p,
		  "If a step fails, the secondary still serves. Empty the new cluster, take a new "
		  "prefix, and start 5 again.");
	(void)b;
}

int runbook_write(const struct runbook *b, struct page *p, struct err *e)
{
	const struct attach_cluster *primary = NULL, *secondary = NULL, *fresh = NULL;
	time_t now = time(NULL);
	char when[40];
	struct tm tm;

	for (size_t i = 0; i < b->file->n; i++) {
		const struct attach_cluster *c = &b->file->c[i];

		primary = !strcmp(c->name, "primary") ? c : primary;
		secondary = !strcmp(c->name, "secondary") ? c : secondary;
		fresh = !strcmp(c->name, "new-primary") ? c : fresh;
	}
	if (!secondary || !b->file->redo[0])
		return err_set(e, ERR_USAGE, 0, "%s: a runbook needs %s", b->path,
			       secondary ? "redo = \"…\", the changefeed's redo log"
					 : "secondary = { sql = … }");
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm);
	page_heading(p, 2, "The clusters");
	{
		const char *const head[] = { "cluster", "SQL", "PD", "TiCDC", NULL };

		page_row(p, head);
		for (size_t i = 0; i < b->file->n; i++) {
			const struct attach_cluster *c = &b->file->c[i];
			char *sql = xstrfmt("%s:%u", c->sql.host, c->sql.port);
			const char *const row[] = { c->name, sql, c->pd, c->ticdc, NULL };

			page_row(p, row);
			free(sql);
		}
	}
	page_say(p,
		 "Printed on %s by drtest %s from `%s`. Print it again when the clusters change, "
		 "and after each drill; keep a copy outside of the data centers that it is about.",
		 when, b->version, b->path);
	add_times(b, p);
	prepare(b, p, primary, secondary, fresh);
	decide(b, p, primary);
	fence(p, primary);
	replay(b, p, secondary);
	promote(p, secondary);
	add_redundancy(b, p, secondary, fresh);
	page_end(p);
	return 0;
}
