/* A load's tables, made and dropped: several connections, each taking the next table. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "workloads/load_impl.h"

#define PREPARE_THREADS_MAX 64u

struct preparer {
	struct load *load;
	const struct sql_endpoint *ep;
	struct deadline deadline;
	_Atomic unsigned *next;   /* the last table that was taken */
	atomic_bool *stop;
	pthread_t id;
	bool running;
	struct err error;
};

static struct sql *open_in_db(const struct load *l, const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	struct strbuf use = STRBUF_INIT;
	struct sql *s = sql_open(ep, d, e);

	strbuf_addstr(&use, "USE ");
	sql_add_name(&use, l->db);
	if (s && sql_exec_text(s, e, use.buf, use.len) < 0) {
		sql_close(s);
		s = NULL;
	}
	strbuf_release(&use);
	return s;
}

static int prepare_table(struct preparer *p, struct script *s, struct con_face *c, struct draw *d, uint32_t table)
{
	lua_State *L = s->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->prepare_ref);
	script_push_con(s, c);
	script_push_draw(s, d);
	lua_pushnumber(L, table);
	lua_pushnumber(L, (double)p->load->o.table_size);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->opt_ref);
	if (lua_pcall(L, 5, 0, 0) == 0)
		return 0;
	if (c->error.kind != ERR_NONE) {
		p->error = c->error;
		return err_wrap(&p->error, "prepare table %u", table);
	}
	return script_error(L, s, &p->error);
}

static void *prepare_main(void *arg)
{
	struct preparer *p = arg;
	struct load *l = p->load;
	struct draw d = { .seed = l->o.seed, .dist = l->dist, .tables = l->o.tables, .table_size = l->o.table_size };
	struct con_face c = { .way = CON_WAITS, .draw = &d, .deadline = p->deadline, .call = { .text = STRBUF_INIT } };
	struct script s = { 0 };

	if (script_open(&s, l->name, l->o.set, &p->error) < 0)
		goto out;
	c.script = &s;
	c.sql = open_in_db(l, p->ep, p->deadline, &p->error);
	if (!c.sql)
		goto out;
	for (uint32_t table; !atomic_load(p->stop) && (table = atomic_fetch_add(p->next, 1) + 1) <= l->o.tables;)
		if (prepare_table(p, &s, &c, &d, table) < 0)
			break;
out:
	if (p->error.kind != ERR_NONE)
		atomic_store(p->stop, true);
	sql_close(c.sql);
	con_face_release(&c);
	script_close(&s);
	return NULL;
}

static int make_database(struct load *l, const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct sql *s = sql_open(ep, d, e);
	int rc = -1;

	if (!s)
		return -1;
	strbuf_addstr(&text, "CREATE DATABASE IF NOT EXISTS ");
	sql_add_name(&text, l->db);
	if (sql_exec_text(s, e, text.buf, text.len) < 0)
		goto out;
	strbuf_reset(&text);
	strbuf_addstr(&text, "USE ");
	sql_add_name(&text, l->db);
	if (sql_exec_text(s, e, text.buf, text.len) < 0)
		goto out;
	if (l->o.ledger_rows && sql_exec(s, e, "CREATE TABLE " LEDGER_TABLE
		    " (worker INT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL, PRIMARY KEY (worker, seq))") < 0)
		goto out;
	rc = 0;
out:
	strbuf_release(&text);
	sql_close(s);
	return rc;
}

int load_prepare(struct load *l, const struct sql_endpoint *ep, unsigned threads, struct deadline d, struct err *e)
{
	_Atomic unsigned next = 0;
	atomic_bool stop = false;
	struct preparer *p;
	int rc = 0;

	if (l->script.prepare_ref == LUA_NOREF)
		return err_set(e, ERR_UNSUPPORTED, 0, "load %s has no prepare()", l->name);
	if (make_database(l, ep, d, e) < 0)
		return err_wrap(e, "prepare load %s", l->name);
	threads = threads < 1 ? 1 : threads > PREPARE_THREADS_MAX ? PREPARE_THREADS_MAX : threads;
	if (threads > l->o.tables)
		threads = l->o.tables;
	p = xcalloc(threads, sizeof(*p));
	for (unsigned i = 0; i < threads; i++) {
		p[i] = (struct preparer){ .load = l, .ep = ep, .deadline = d, .next = &next, .stop = &stop };
		p[i].running = i + 1 < threads && pthread_create(&p[i].id, NULL, prepare_main, &p[i]) == 0;
	}
	prepare_main(&p[threads - 1]); /* one is us: with no further thread it only takes longer */
	for (unsigned i = 0; i < threads; i++) {
		if (p[i].running)
			pthread_join(p[i].id, NULL);
		if (rc == 0 && p[i].error.kind != ERR_NONE) {
			if (e)
				*e = p[i].error;
			rc = err_wrap(e, "prepare load %s", l->name);
		}
	}
	free(p);
	return rc;
}

int load_cleanup(struct load *l, const struct sql_endpoint *ep, struct err *e)
{
	struct sql *s;
	int rc = 0;

	if (!l->script.audit_prefix[0])
		return err_set(e, ERR_UNSUPPORTED, 0, "load %s does not name its tables (audit.table_prefix)", l->name);
	s = open_in_db(l, ep, deadline_in_ms(60000), e);
	if (!s)
		return -1;
	for (unsigned i = 1; rc == 0 && i <= l->o.tables; i++)
		rc = sql_exec(s, e, "DROP TABLE IF EXISTS `%s%u`", l->script.audit_prefix, i) < 0 ? -1 : 0;
	if (rc == 0 && l->o.ledger_rows)
		rc = sql_exec(s, e, "DROP TABLE IF EXISTS " LEDGER_TABLE) < 0 ? -1 : 0;
	sql_close(s);
	return rc;
}
