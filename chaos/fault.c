#include "chaos/fault.h"

#include <string.h>

#include "harness/base/clock.h"

static const struct fault_ops *const kinds[] = {
	&fault_kill,   &fault_interrupt,  &fault_pause,        &fault_memory,
	&fault_cut,    &fault_black_hole, &fault_delay,        &fault_slow,
	&fault_slice,  &fault_reset,      &fault_stall_commit, &fault_refuse,
	&fault_single, &fault_cut_body,   &fault_disk_full,    &fault_read_only,
	NULL,
};

const struct fault_ops *const *fault_kinds(void)
{
	return kinds;
}

const struct fault_ops *fault_find(const char *name)
{
	for (size_t i = 0; kinds[i]; i++)
		if (fault_is(kinds[i], name))
			return kinds[i];
	return NULL;
}

bool fault_is(const struct fault_ops *ops, const char *name)
{
	return !strcmp(ops->name, name) || (ops->was && !strcmp(ops->was, name));
}

bool fault_takes(const struct fault_ops *ops, const char *arg)
{
	size_t n = strlen(arg);

	for (const char *p = ops->args; (p = strstr(p, arg)); p += n)
		if (p[-1] == ' ' && p[n] == ' ')
			return true;
	return false;
}

void fault_names(struct strbuf *out)
{
	for (size_t i = 0; kinds[i]; i++)
		strbuf_addf(out, "%s%s", i ? ", " : "", kinds[i]->name);
}

int fault_check(const struct fault *f, struct err *e)
{
	static const char *const wants[] = {
		[FAULT_ON_PROCS] = "a cluster, a changefeed or the store",
		[FAULT_ON_LINK] = "a link (t:link)",
		[FAULT_ON_STORE_LINK] = "a link to the store (t:link { \"feed\", store })",
		[FAULT_ON_DISK] = "a cluster with its own disk (disk_mb)",
	};
	bool fits = f->ops->on == FAULT_ON_PROCS  ? f->target.n_procs > 0
		    : f->ops->on == FAULT_ON_DISK ? f->target.disk[0] != 0
						  : f->target.n_links > 0;

	if (!fits)
		return err_set(e, ERR_USAGE, 0,
			       "%s: %s is not %s, or none of its processes is "
			       "running",
			       f->ops->name, f->target.name, wants[f->ops->on]);
	return f->ops->check ? f->ops->check(f, e) : 0;
}

int fault_inject(struct fault *f, struct err *e)
{
	struct err why = ERR_INIT;

	f->at_ns = clock_mono_ns();
	if (f->ops->inject(f, &why) < 0) {
		f->state = FAULT_FAILED;
		f->error = why;
		err_wrap(&f->error, "%s of %s", f->ops->name, f->target.name);
		if (e)
			*e = f->error;
		return -1;
	}
	f->state = f->ops->heal ? FAULT_ACTIVE : FAULT_OVER;
	return 0;
}

int fault_heal(struct fault *f, struct err *e)
{
	struct err why = ERR_INIT;

	if (f->state == FAULT_ARMED)
		f->state = FAULT_OVER; /* it never came */
	if (f->state != FAULT_ACTIVE && f->state != FAULT_STUCK)
		return 0;
	if (f->ops->heal(f, &why) < 0) {
		f->state = FAULT_STUCK;
		f->error = why;
		err_wrap(&f->error, "heal %s of %s", f->ops->name, f->target.name);
		if (e)
			*e = f->error;
		return -1;
	}
	f->state = FAULT_OVER;
	f->healed_ns = clock_mono_ns();
	return 0;
}

void fault_arguments(const struct fault *f, struct strbuf *out)
{
	if (f->ops->describe)
		f->ops->describe(f, out);
}

void fault_describe(const struct fault *f, struct strbuf *out)
{
	size_t before;

	strbuf_addf(out, "%s of %s", f->ops->name, f->target.name);
	before = out->len;
	strbuf_addstr(out, ": ");
	fault_arguments(f, out);
	if (out->len == before + 2)
		strbuf_setlen(out, before);
}

void fault_release(struct fault *f)
{
	for (size_t i = 0; i < f->target.n_procs; i++)
		proc_ref_release(&f->target.procs[i]);
	f->target.n_procs = 0;
}
