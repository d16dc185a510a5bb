/* The C functions behind t: steps, checks, waiting, notes, the times of recovery. scenario.lua
 * builds its API on them. */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/nearest.h"
#include "harness/base/secret.h"
#include "harness/run/lua_args.h"
#include "harness/run/lua_json.h"
#include "harness/run/owned.h"
#include "harness/run/recovery.h"
#include "harness/run/runtime_impl.h"
#include "harness/run/scenario.h"
#include "harness/sql/schema.h"

#define WAIT_MS_MAX ((int64_t)30 * 24 * 3600 * 1000)

static int step_begin(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	const char *text = luaL_checkstring(L, 1);
	struct strbuf name = STRBUF_INIT;

	if (r->step_name[0])
		lua_usage(L, "step '%s' is inside step '%s': steps follow each other", text,
			  r->step_name);
	pthread_mutex_lock(&r->lock);
	snprintf(r->step_name, sizeof(r->step_name), "%s", text);
	secret_redact(&name, r->step_name); /* also a name that is cut within a character */
	snprintf(r->step_name, sizeof(r->step_name), "%s", name.buf);
	strbuf_release(&name);
	r->step++;
	r->step_start_ns = clock_mono_ns();
	r->waiting[0] = '\0';
	pthread_mutex_unlock(&r->lock);
	r->step_findings = r->step_failed = 0;
	if (r->plan) {
		printf("  %d %s\n", r->step, r->step_name);
		return 0;
	}
	journal_event(r->journal, "step",
		      json_pack("{s:i,s:s}", "n", r->step, "name", r->step_name));
	console_step_begin(r->console, r->step, r->step_name);
	return 0;
}

void runtime_step_end(struct runtime *r, const char *status, const char *detail)
{
	struct strbuf text = STRBUF_INIT;
	double seconds = (double)(clock_mono_ns() - r->step_start_ns) / 1e9;

	if (!r->step_name[0])
		return;
	if (!r->plan) {
		secret_redact(&text, detail);
		journal_event(r->journal, "step_end",
			      json_pack("{s:i,s:s,s:s,s:f,s:s}", "n", r->step, "name", r->step_name,
					"status", status, "seconds", seconds, "detail", text.buf));
		pthread_mutex_lock(&r->lock); /* the sampler writes to the terminal too */
		/* the error that ended the run is printed once, below */
		console_step_end(
			r->console, r->step, r->step_name, status, seconds,
			!strcmp(status, "error") || !strcmp(status, "interrupted") ? "" : text.buf);
		pthread_mutex_unlock(&r->lock);
		strbuf_release(&text);
	}
	r->step_name[0] = '\0';
}

static int step_end(lua_State *L)
{
	struct runtime *r = runtime_of(L);

	runtime_step_end(r,
			 r->step_failed     ? "failed"
			 : r->step_findings ? "unknown"
					    : "ok",
			 luaL_optstring(L, 1, ""));
	return 0;
}

/* What was checked, how much of it, what it would have found: texts and numbers from the table at
 * index, if there is one. */
static void add_about(lua_State *L, int index, json_t *event)
{
	json_t *o;

	if (!lua_istable(L, index))
		return;
	o = json_object();
	lua_pushnil(L);
	while (lua_next(L, index)) {
		if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TNUMBER)
			json_object_set_new(o, lua_tostring(L, -2),
					    json_integer((json_int_t)lua_tonumber(L, -1)));
		else if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING)
			json_object_set_new(o, lua_tostring(L, -2),
					    json_string(lua_tostring(L, -1)));
		lua_pop(L, 1);
	}
	json_object_set_new(event, "about", o);
}

static const char *const verdicts[] = { "pass", "unknown", "fail", NULL };

/* Counts the check, prints it unless it passed, and writes the event, which it owns. name and
 * evidence are already redacted. */
static void judged(struct runtime *r, enum verdict verdict, const char *name, const char *evidence,
		   json_t *event)
{
	r->checks++;
	r->failed += verdict == VERDICT_FAIL;
	r->unknown += verdict == VERDICT_UNKNOWN;
	r->step_findings += verdict != VERDICT_PASS;
	r->step_failed += verdict == VERDICT_FAIL;
	if (verdict > r->worst)
		r->worst = verdict;
	journal_event(r->journal, "check", event);
	if (verdict != VERDICT_PASS) {
		char line[768];

		snprintf(line, sizeof(line), "%s%s%s", name, *evidence ? ": " : "", evidence);
		pthread_mutex_lock(&r->lock);
		console_remark(r->console, verdict == VERDICT_FAIL ? "FAILED" : "UNKNOWN", line);
		pthread_mutex_unlock(&r->lock);
	}
}

void runtime_check(struct runtime *r, const char *name, enum verdict verdict, const char *evidence)
{
	struct strbuf clean = STRBUF_INIT;

	if (runtime_plan(r, "check: %s", name) || !r->journal)
		return;
	secret_redact(&clean, evidence);
	judged(r, verdict, name, clean.buf,
	       json_pack("{s:i,s:s,s:s,s:s,s:[],s:f}", "step", r->step, "name", name, "verdict",
			 verdicts[verdict], "evidence", clean.buf, "findings", "seconds", 0.0));
	strbuf_release(&clean);
}

/* check(name, verdict, evidence, findings or nil, seconds, about or nil) */
static int check(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	const char *name = luaL_checkstring(L, 1);
	int verdict = luaL_checkoption(L, 2, NULL, verdicts);
	struct strbuf clean_name = STRBUF_INIT, clean_evidence = STRBUF_INIT;
	json_t *findings, *event;

	if (r->plan) {
		runtime_plan(r, "check: %s", name);
		return 0;
	}
	findings = lua_isnoneornil(L, 4) ? json_array() : json_incref(lua_json_check(L, 4));
	secret_redact(&clean_name, name);
	secret_redact(&clean_evidence, luaL_optstring(L, 3, ""));
	event = json_pack("{s:i,s:s,s:s,s:s,s:o,s:f}", "step", r->step, "name", clean_name.buf,
			  "verdict", verdicts[verdict], "evidence", clean_evidence.buf, "findings",
			  findings, "seconds", luaL_optnumber(L, 5, 0));
	add_about(L, 6, event);
	judged(r, (enum verdict)verdict, clean_name.buf, clean_evidence.buf, event);
	strbuf_release(&clean_name);
	strbuf_release(&clean_evidence);
	return 0;
}

/* wait(ms): ends at once if something that the run owns fails. */
static int wait(lua_State *L)
{
	struct err e = ERR_INIT;
	lua_Number ms = luaL_checknumber(L, 1);

	if (!(ms >= 0 && ms <= (lua_Number)WAIT_MS_MAX))
		lua_usage(L, "a wait can take 0 s to 30 days");
	if (ms >= 1000)
		runtime_until(runtime_of(L), clock_mono_ns() + (int64_t)ms * 1000000);
	if (owned_wait(runtime_of(L), (int64_t)ms, &e) < 0)
		return lua_raise(L, &e);
	return 0;
}

/* duration(text or seconds) in ms */
static int duration(lua_State *L)
{
	int64_t ms = -1;

	if (lua_type(L, 1) == LUA_TNUMBER && lua_tonumber(L, 1) >= 0 && lua_tonumber(L, 1) < 1e7)
		ms = (int64_t)(lua_tonumber(L, 1) * 1000);
	else if (lua_type(L, 1) == LUA_TSTRING)
		ms = duration_parse_ms(lua_tostring(L, 1));
	if (ms < 0)
		lua_usage(L, "'%s' is not " DURATION_FORM,
			  lua_isstring(L, 1) ? lua_tostring(L, 1) : luaL_typename(L, 1));
	lua_pushnumber(L, (lua_Number)ms);
	return 1;
}

/* waiting(text or nil): for the line that shows progress */
static int waiting(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	const char *text = luaL_optstring(L, 1, ""); /* whose error would leave the lock held */

	pthread_mutex_lock(&r->lock);
	snprintf(r->waiting, sizeof(r->waiting), "%s", text);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* slow(): why a missed time limit may be due to the machine, or nil */
static int slow(lua_State *L)
{
	char why[160];

	runtime_slow(runtime_of(L), why, sizeof(why));
	if (!why[0])
		return 0;
	lua_pushstring(L, why);
	return 1;
}

/* wrong_duration(text): what it should be, or nil */
static int wrong_duration(lua_State *L)
{
	if (duration_parse_ms(luaL_checkstring(L, 1)) >= 0)
		return 0;
	lua_pushliteral(L, DURATION_FORM);
	return 1;
}

/* wrong_database(name): why a load can't have it, or nil */
static int wrong_database(lua_State *L)
{
	struct err e = ERR_INIT;

	if (schema_may_be_loaded(luaL_checkstring(L, 1), &e) == 0)
		return 0;
	lua_pushstring(L, e.text);
	return 1;
}

/* nearest(word, names): the name that was probably meant, or nil */
static int nearest_of(lua_State *L)
{
	const char *names[SCENARIO_OPTIONS_MAX], *meant;
	size_t n = 0;

	luaL_checktype(L, 2, LUA_TTABLE);
	for (; n < SCENARIO_OPTIONS_MAX && n < lua_objlen(L, 2); n++) {
		lua_rawgeti(L, 2, (int)n + 1);
		names[n] = luaL_checkstring(L, -1); /* stays alive in the table */
		lua_pop(L, 1);
	}
	meant = nearest(luaL_checkstring(L, 1), names, n);
	if (!meant)
		return 0;
	lua_pushstring(L, meant);
	return 1;
}

static int now(lua_State *L)
{
	lua_pushnumber(L, runtime_seconds(runtime_of(L), clock_mono_ns()));
	return 1;
}

static int note(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	const char *text = luaL_checkstring(L, 1);

	if (!r->plan)
		runtime_note(r, "%s", text);
	return 0;
}

/* renamed(old, now): an old name was used */
static int renamed(lua_State *L)
{
	lua_tell_renamed(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
	return 0;
}

static int figure(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	json_t *v;

	if (lua_type(L, 2) == LUA_TNUMBER) {
		lua_Number n = lua_tonumber(L, 2);

		if (!(fabs(n) < 9e18))
			lua_usage(L, "t:figure \"%s\": %f is no figure", name, n);
		v = n == (lua_Number)(json_int_t)n ? json_integer((json_int_t)n) : json_real(n);
	} else if (lua_type(L, 2) == LUA_TBOOLEAN) {
		v = json_boolean(lua_toboolean(L, 2));
	} else {
		luaL_callmeta(L, 2, "__tostring");
		if (!lua_isstring(L, -1))
			lua_usage(L,
				  "t:figure \"%s\": its value must be a number, a text, true or "
				  "false, not %s",
				  name, luaL_typename(L, 2));
		v = json_string(lua_tostring(L, -1));
	}
	runtime_figure(runtime_of(L), name, v);
	return 0;
}

/* The first argument, one of the words between `|`: another would be measured and shown nowhere. */
static const char *one_of(lua_State *L, const char *call, const char *words)
{
	const char *word = luaL_checkstring(L, 1);
	size_t n = strlen(word);

	for (const char *p = words; n && *p; p += strcspn(p, "|"), p += *p == '|')
		if (strcspn(p, "|") == n && !strncmp(p, word, n))
			return word;
	lua_usage(L, "%s: '%s' is not one of %s", call, word, words);
	return NULL; /* not reached */
}

static int phase(lua_State *L)
{
	recovery_phase(runtime_of(L), one_of(L, "t:phase", "replay|check|promote"));
	return 0;
}

/* recovered(what, seconds on the journal's clock or nil for now) */
static int recovered(lua_State *L)
{
	const char *what = one_of(L, "t:recovered", "service|redundant");
	struct runtime *r = runtime_of(L);
	int64_t at = clock_mono_ns();

	if (r->plan)
		return 0;
	if (!r->disaster_ns)
		lua_usage(L, "t:recovered: there was no disaster");
	if (lua_isnumber(L, 2))
		at = journal_start_ns(r->journal) + (int64_t)(lua_tonumber(L, 2) * 1e9);
	recovery_reached(r, what, at);
	return 0;
}

/* rpo(lost, acked, window_ms, resolved_behind_ms) */
static int rpo(lua_State *L)
{
	struct runtime *r = runtime_of(L);

	r->has_rpo = true;
	r->lost = luaL_checknumber(L, 1);
	r->acked = luaL_checknumber(L, 2);
	r->window_ms = luaL_checknumber(L, 3);
	r->behind_ms = luaL_checknumber(L, 4);
	if (!r->plan)
		journal_event(r->journal, "rpo",
			      json_pack("{s:I,s:I,s:I,s:I}", "lost",
					(json_int_t)luaL_checknumber(L, 1), "acked",
					(json_int_t)luaL_checknumber(L, 2), "window_ms",
					(json_int_t)luaL_checknumber(L, 3), "resolved_behind_ms",
					(json_int_t)luaL_checknumber(L, 4)));
	return 0;
}

/* moved(from, to): service has moved */
static int moved(lua_State *L)
{
	struct runtime *r = runtime_of(L);

	if (!r->plan)
		journal_event(r->journal, "move",
			      json_pack("{s:s,s:s,s:f}", "from", luaL_checkstring(L, 1), "to",
					luaL_checkstring(L, 2), "at",
					luaL_optnumber(L, 3, runtime_seconds(r, clock_mono_ns()))));
	return 0;
}

static void set_number(lua_State *L, int index, json_t *event, const char *name)
{
	lua_Number n = lua_tonumber(L, index);

	if (lua_isnumber(L, index))
		json_object_set_new(event, name,
				    n == (lua_Number)(json_int_t)n ? json_integer((json_int_t)n)
								   : json_real(n));
}

/* way(name, state, evidence, lost, acked, window_ms, wrong, seconds, steps, needs): a row of the
 * table of ways to recover; unknown numbers are nil */
static int way(lua_State *L)
{
	static const char *const states[] = {
		"pass", "partial", "fail", "unknown", "closed", NULL
	};
	static const char *const numbers[] = { "lost", "acked", "window_ms", "wrong", "seconds" };
	struct strbuf evidence = STRBUF_INIT;
	const char *state = states[luaL_checkoption(L, 2, NULL, states)];
	json_t *event;

	secret_redact(&evidence, luaL_checkstring(L, 3));
	event = json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", luaL_checkstring(L, 1), "state", state,
			  "evidence", evidence.buf, "steps", luaL_checkstring(L, 9), "needs",
			  luaL_checkstring(L, 10));
	for (int i = 0; i < 5; i++)
		set_number(L, 4 + i, event, numbers[i]);
	strbuf_release(&evidence);
	journal_event(runtime_journal(runtime_of(L)), "way", event);
	return 0;
}

/* advise(name of the way to take or "", why) */
static int advise(lua_State *L)
{
	journal_event(runtime_journal(runtime_of(L)), "advice",
		      json_pack("{s:s,s:s}", "way", luaL_checkstring(L, 1), "why",
				luaL_checkstring(L, 2)));
	return 0;
}

static int planning(lua_State *L)
{
	lua_pushboolean(L, runtime_of(L)->plan);
	return 1;
}

static int plan(lua_State *L)
{
	runtime_plan(runtime_of(L), "%s", luaL_checkstring(L, 1));
	return 0;
}

/* random(n): an integer from 0 to n - 1, determined by the run's seed. */
static int random_below(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	lua_Number n = luaL_checknumber(L, 1);

	if (!(n >= 1 && n <= 9007199254740992.0))
		lua_usage(L, "t:random needs a whole number of at least 1");
	lua_pushnumber(L, (lua_Number)rng_below(&r->rng, (uint64_t)n));
	return 1;
}

/* In seconds on the journal's clock, as now(); nil: there was none. */
static int disaster_at(lua_State *L)
{
	struct runtime *r = runtime_of(L);

	if (r->disaster_ns)
		lua_pushnumber(L, runtime_seconds(r, r->disaster_ns));
	else
		lua_pushnil(L);
	return 1;
}

/* no_name(owner, name, table): raises that the table has no such name */
static int no_name(lua_State *L)
{
	luaL_checktype(L, 3, LUA_TTABLE);
	return lua_no_name(L, luaL_checkstring(L, 1),
			   lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?", 3);
}

/* misspelt(text): the same, with a text */
static int raise_misspelt(lua_State *L)
{
	return lua_misspelt(L, "%s", luaL_checkstring(L, 1));
}

/* refuse(text): before the first step it can only be for the options, and the plan finds it */
static int raise_refusal(lua_State *L)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_USAGE, runtime_of(L)->step ? 0 : LUA_MISSPELT, "%s",
		luaL_checkstring(L, 1));
	return lua_raise(L, &e);
}

static int raise_usage(lua_State *L)
{
	return lua_usage(L, "%s", luaL_checkstring(L, 1));
}

/* Raises that the condition of t:eventually was not met. */
static int raise_timeout(lua_State *L)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT, 0, "%s", luaL_checkstring(L, 1));
	return lua_raise(L, &e);
}

/* is_final(error value): does the error end the run even if the scenario catches it? */
static int is_final(lua_State *L)
{
	const struct err *e = lua_error_at(L, 1);

	lua_pushboolean(L, !e || e->kind == ERR_USAGE || e->kind == ERR_CANCELLED);
	return 1;
}

int lua_steps_open(lua_State *L)
{
	static const luaL_Reg f[] = {
		{ "step_begin", step_begin },
		{ "step_end", step_end },
		{ "check", check },
		{ "wait", wait },
		{ "duration", duration },
		{ "now", now },
		{ "note", note },
		{ "renamed", renamed },
		{ "figure", figure },
		{ "phase", phase },
		{ "recovered", recovered },
		{ "rpo", rpo },
		{ "moved", moved },
		{ "random", random_below },
		{ "planning", planning },
		{ "plan", plan },
		{ "usage", raise_usage },
		{ "refuse", raise_refusal },
		{ "no_name", no_name },
		{ "misspelt", raise_misspelt },
		{ "timeout", raise_timeout },
		{ "is_final", is_final },
		{ "wrong_duration", wrong_duration },
		{ "wrong_database", wrong_database },
		{ "slow", slow },
		{ "way", way },
		{ "advise", advise },
		{ "waiting", waiting },
		{ "nearest", nearest_of },
		{ "read_line", lua_read_line },
		{ "disaster_at", disaster_at },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_register(L, NULL, f);
	lua_json_open(L);
	return 1;
}
