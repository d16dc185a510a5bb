#include "harness/run/preflight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/net/minio.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/run.h"
#include "harness/tidb/stock_tools.h"

#define RUN_BYTES_MIN ((int64_t)64 << 20)

static int look_at_out_folder(const char *out, bool plan, finding_fn *fn, void *arg)
{
	struct err e = ERR_INIT;
	int64_t space;
	char text[600];

	if ((plan ? fs_may_mkdir(out, &e) : fs_mkdir_p(out, 0700, &e)) < 0) {
		fn(arg, e.text, "use --out DIR with a writable directory");
		return 1;
	}
	if (!plan && access(out, W_OK | X_OK) < 0) {
		snprintf(text, sizeof(text), "the directory for runs, %s, is not writable: %s", out,
			 strerror(errno));
		fn(arg, text, "use --out DIR with a writable directory");
		return 1;
	}
	space = fs_free_bytes(out);
	if (space >= 0 && space < RUN_BYTES_MIN) {
		snprintf(text, sizeof(text),
			 "less than 64 MiB are free in the directory for "
			 "runs, %s",
			 out);
		fn(arg, text, "free some space, or use --out DIR on another disk");
		return 1;
	}
	return 0;
}

static int look_at_store(const struct ground *g, enum run_store store, finding_fn *fn, void *arg)
{
	struct err e = ERR_INIT;
	char *minio;

	if (store != RUN_STORE_S3 || (g && g->store))
		return 0;
	minio = minio_find(&e);
	if (!minio)
		fn(arg, e.text,
		   "install MinIO or set DRTEST_MINIO, or use --store file: a directory instead of S3, which proves less");
	free(minio);
	return !minio;
}

int preflight_store(const struct ground *g, enum run_store store, const char *out, finding_fn *fn,
		    void *arg)
{
	return look_at_store(g, store, fn, arg) + look_at_out_folder(out, false, fn, arg);
}

static int look_at_tool(const char *name, const char *option, const struct run_opts *o,
			finding_fn *fn, void *arg)
{
	struct stock_tool tool;
	struct err e = ERR_INIT;
	char way_out[200];
	int rc = stock_find(&tool, name,
			    strcmp(name, "sync_diff_inspector") ? o->tidb_version : NULL, &e);

	if (rc == 0 && !o->plan)
		rc = stock_install(&tool, &e);
	stock_release(&tool);
	if (rc == 0)
		return 0;
	snprintf(way_out, sizeof(way_out),
		 "put %s on PATH, install it with tiup, or remove --set %s", name, option);
	fn(arg, e.text, way_out);
	return 1;
}

/* What a tool can't of the TLS that a cluster of the file wants, before any of them is run. */
static int look_at_tls(const struct ground *g, const char *tool, const char *option, finding_fn *fn,
		       void *arg)
{
	const struct sql_endpoint *ep;
	const char *name = "";
	int n = 0;

	for (unsigned i = 0; g->endpoint && (ep = g->endpoint(i, &name)); i++) {
		struct err e = ERR_INIT;
		char text[400], way_out[160];

		if (stock_can_tls(tool, ep, &e) == 0)
			continue;
		snprintf(text, sizeof(text), "%s: %.300s", name, e.text);
		snprintf(way_out, sizeof(way_out),
			 "change sql.tls in the clusters file, or remove --set %s", option);
		fn(arg, text, way_out);
		n++;
	}
	return n;
}

/* The tools that --set asks for: is each here, and can the ground do it? */
static int look_at_tools(const struct run_opts *o, finding_fn *fn, void *arg)
{
	const struct run_tools *t = &o->tools;
	const struct ground *g = o->ground;
	int n = 0;

	if (t->replay_stock || t->replay_both) {
		const char *option = t->replay_stock ? "replay=stock" : "replay=both";

		if (!t->new_ticdc) /* its own `cdc` reads its log: looked for below */
			n += look_at_tool("cdc", option, o, fn, arg);
		n += look_at_tls(g, "cdc redo", option, fn, arg);
	}
	if (t->compare)
		n += look_at_tool("sync_diff_inspector", "compare=sync_diff_inspector", o, fn,
				  arg) +
		     look_at_tls(g, "sync_diff_inspector", "compare=sync_diff_inspector", fn, arg);
	if (t->br && !g->tidb) {
		fn(arg, "br copies TiKV's files, but the clusters of this ground have no TiKV",
		   "use --on playground or attach, or remove --set backup=br");
		n++;
	} else if (t->br) {
		n += look_at_tool("br", "backup=br", o, fn, arg);
	}
	if (t->new_ticdc && !g->new_ticdc) {
		fn(arg, "ticdc=new only works with playground: this ground does not start TiCDC",
		   "use --on playground, or remove --set ticdc=new");
		n++;
	} else if (t->new_ticdc) {
		char *path = g->new_ticdc();

		if (!path) {
			fn(arg, "ticdc=new: tiup's cache has no cdc of 8.5.4 or later",
			   "tiup install cdc:v8.5.4, or set DRTEST_TICDC=PATH");
			n++;
		}
		free(path);
	}
	if (t->sysbench) {
		char *path = proc_which("sysbench");

		n += look_at_tls(g, "sysbench", "load=sysbench", fn, arg);
		if (!path) {
			fn(arg, "sysbench is not on PATH",
			   "apt-get install sysbench, or remove --set load=sysbench");
			n++;
		}
		free(path);
	}
	return n;
}

int preflight(const struct run_opts *o, finding_fn *fn, void *arg)
{
	int n = 0;

	if (!o->plan || !o->ground->clusters_stay) /* clusters that are there would be contacted */
		n += o->ground->preflight(fn, arg);
	return n + look_at_store(o->ground, o->store, fn, arg) +
	       look_at_out_folder(o->out, o->plan, fn, arg) + look_at_tools(o, fn, arg);
}
