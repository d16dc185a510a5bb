#include "cli/load/load_note.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/verify/ledger.h"

#define NOTE_FILE "load.json"
#define HELD_FILE "load.running" /* how many workers write */
#define HELD_BYTES_MAX 64
#define NOTE_BYTES_MAX ((size_t)1 << 20)

static char *path_in(const char *dir)
{
	return xstrfmt("%s/" NOTE_FILE, dir);
}

static json_t *note_of(const struct load_opts *o)
{
	json_t *set = json_array();
	char seed[24];

	for (const char *const *p = o->set; p && *p; p++)
		json_array_append_new(set, json_string(*p));
	snprintf(seed, sizeof(seed), "%" PRIu64, o->seed); /* JSON's numbers end at 2^53 */
	return json_pack("{s:i,s:s,s:s,s:s,s:s,s:i,s:i,s:I,s:o}", "schema", 1, "load", o->name,
			 "db", o->db ? o->db : "sbtest", "rand_type",
			 o->rand_type ? o->rand_type : "special", "seed", seed, "tables",
			 (int)o->tables, "load_tables", (int)o->load_tables, "table_size",
			 (json_int_t)o->table_size, "set", set);
}

/* The first member in which they differ; NULL: none. */
static const char *difference(const json_t *a, json_t *b)
{
	const char *key;
	json_t *value;

	json_object_foreach(b, key,
			    value) if (!json_equal(json_object_get(a, key), value)) return key;
	return NULL;
}

int load_note_write(const char *dir, const struct load_opts *o, struct err *e)
{
	char *path = path_in(dir), *text = NULL;
	json_t *now = note_of(o), *before = NULL;
	struct strbuf there = STRBUF_INIT;
	const char *differs;
	int rc = -1;

	if (!now) {
		err_set(e, ERR_USAGE, 0, "the options of the load are not UTF-8");
		goto out;
	}
	if (fs_mkdir_p(dir, 0700, e) < 0)
		goto out;
	if (fs_exists(path) && fs_read_file(path, NOTE_BYTES_MAX, &there, e) < 0)
		goto out;
	before = there.len ? json_loadb(there.buf, there.len, 0, NULL) : NULL;
	differs = before ? difference(before, now) : NULL;
	if (differs) {
		err_set(e, ERR_USAGE, 0,
			"--ledger-dir %s has the ledger of a run with another %s: use another "
			"directory",
			dir, differs);
		goto out;
	}
	text = json_dumps(now, JSON_INDENT(2));
	rc = fs_write_atomic(path, text, strlen(text), 0644, e);
out:
	free(text);
	free(path);
	strbuf_release(&there);
	json_decref(now);
	json_decref(before);
	return rc;
}

static bool take(const json_t *j, struct load_note *n)
{
	const char *name, *db, *rand_type, *seed;
	json_t *set, *one;
	json_int_t size;
	char *end;
	int tables, load_tables;
	size_t i;

	if (json_unpack((json_t *)(uintptr_t)j, "{s:s,s:s,s:s,s:s,s:i,s:i,s:I,s:o}", "load", &name,
			"db", &db, "rand_type", &rand_type, "seed", &seed, "tables", &tables,
			"load_tables", &load_tables, "table_size", &size, "set", &set) < 0 ||
	    strlen(name) >= sizeof(n->name) || strlen(db) >= sizeof(n->db) ||
	    strlen(rand_type) >= sizeof(n->rand_type) || tables < 0 || load_tables < 0 ||
	    size < 0 || json_array_size(set) > LOAD_NOTE_SETS_MAX)
		return false;
	memcpy(n->name, name, strlen(name) + 1);
	memcpy(n->db, db, strlen(db) + 1);
	memcpy(n->rand_type, rand_type, strlen(rand_type) + 1);
	n->seed = strtoull(seed, &end, 10);
	n->tables = (unsigned)tables;
	n->load_tables = (unsigned)load_tables;
	n->table_size = size;
	json_array_foreach(set, i, one)
	{
		if (!json_is_string(one))
			return false;
		n->set[i] = xstrdup(json_string_value(one));
	}
	return *seed && !*end;
}

int load_note_read(const char *dir, struct load_note *note, struct err *e)
{
	char *path = path_in(dir);
	struct strbuf text = STRBUF_INIT;
	json_t *j = NULL;
	int rc = 1;

	*note = (struct load_note){ 0 };
	if (!fs_exists(path))
		goto out;
	rc = fs_read_file(path, NOTE_BYTES_MAX, &text, e);
	if (rc == 0 && (!(j = json_loadb(text.buf, text.len, 0, NULL)) || !take(j, note))) {
		load_note_release(note);
		rc = err_set(e, ERR_BAD_DATA, 0,
			     "%s is damaged: remove it, and give the load's options on the command "
			     "line",
			     path);
	}
out:
	json_decref(j);
	strbuf_release(&text);
	free(path);
	return rc;
}

void load_note_release(struct load_note *note)
{
	for (const char **p = note->set; *p; p++)
		free((char *)(uintptr_t)*p);
	*note = (struct load_note){ 0 };
}

static int open_ends(const char *dir, const char *held, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	unsigned long workers;
	char *end;
	int rc = fs_read_file(held, HELD_BYTES_MAX, &text, e);

	if (rc < 0)
		return -1;
	workers = strtoul(text.buf, &end, 10);
	if (end == text.buf || strcmp(end, "\n") != 0 || !workers || workers > LEDGER_WORKERS_MAX)
		rc = err_set(e, ERR_BAD_DATA, 0,
			     "%s is damaged: write the number of workers of the load that was "
			     "killed into it, or use another directory",
			     held);
	if (rc == 0)
		rc = ledger_open_ends(dir, 1, (unsigned)workers, e);
	if (rc == 0 && unlink(held) < 0)
		rc = err_sys(e, "remove %s", held);
	strbuf_release(&text);
	return rc;
}

int load_note_hold(const char *dir, unsigned workers, int *fd, struct err *e)
{
	char *held = xstrfmt("%s/" HELD_FILE, dir), text[16];
	int rc = 0;

	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		rc = err_sys(e, "open %s", dir);
	else if (flock(*fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		rc = err_set(e, ERR_USAGE, 0,
			     "--ledger-dir %s: a load that still runs writes there: stop it first",
			     dir);
	else if (fs_exists(held))
		rc = open_ends(dir, held, e);
	if (rc == 0 && workers) {
		snprintf(text, sizeof(text), "%u\n", workers);
		rc = fs_write_atomic(held, text, strlen(text), 0644, e);
	}
	if (rc < 0 && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	free(held);
	return rc;
}

void load_note_let_go(const char *dir, int fd, bool whole)
{
	char *held;

	if (fd < 0)
		return;
	held = xstrfmt("%s/" HELD_FILE, dir);
	if (whole)
		unlink(held);
	close(fd);
	free(held);
}
