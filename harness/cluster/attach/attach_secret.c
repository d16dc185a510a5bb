/* Secrets of the clusters file that are elsewhere: a file's first line, a command's. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/strbuf.h"
#include "harness/cluster/attach/attach.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define SECRET_BYTES_MAX 4096
#define SECRET_MS 60000
#define PIPE_MS 10000

void attach_words_free(char **words)
{
	for (char **w = words; *w; w++) {
		free(*w);
		*w = NULL;
	}
}

/* May whoever has an account on this machine get at it? Not where a folder above is closed. */
static bool is_open_to_others(const char *path, mode_t *how)
{
	char real[PATH_MAX];
	struct stat st;

	if (!realpath(path, real) || stat(real, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !(st.st_mode & (S_IROTH | S_IWOTH)))
		return false;
	*how = st.st_mode;
	for (char *slash = strrchr(real, '/'); slash && slash != real; slash = strrchr(real, '/')) {
		*slash = '\0';
		if (stat(real, &st) < 0 || !(st.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

void attach_note_loose(struct attach_file *f, const char *path, const char *what)
{
	char note[900];
	size_t n = strlen(f->loose);
	mode_t how;

	if (!is_open_to_others(path, &how))
		return;
	snprintf(note, sizeof(note),
		 "%s%.512s has %s, and every user of this machine can %s it: chmod 600 %s",
		 n ? "; " : "", path, what, how & S_IWOTH ? "write" : "read", path);
	if (!strstr(f->loose, note + (n ? 2 : 0)) && n + strlen(note) < sizeof(f->loose))
		strcpy(f->loose + n, note);
}

static int take_first_line(struct attach_secret *from, char *out, size_t room, const char *cluster,
			   const char *what, struct err *e)
{
	char *const cat[] = { (char *)"cat", from->file, NULL };
	struct strbuf text = STRBUF_INIT;
	struct stat st;
	size_t n;
	int rc = -1;

	if (!from->file[0] && !from->command[0])
		return 0;
	/* a pipe without a writer would be waited for without an end */
	if (from->file[0] && stat(from->file, &st) == 0 && S_ISFIFO(st.st_mode)
		    ? proc_run(cat, NULL, &text, SECRET_BYTES_MAX, deadline_in_ms(PIPE_MS), e) < 0
	    : from->file[0] ? fs_read_file(from->file, SECRET_BYTES_MAX, &text, e) < 0
			    : proc_run(from->command, NULL, &text, SECRET_BYTES_MAX,
				       deadline_in_ms(SECRET_MS), e) < 0) {
		/* "password: X" would be taken for a secret, and hidden */
		err_wrap(e, "%s: its %s comes from a %s", cluster, what,
			 from->file[0] ? "file" : "command");
		goto out;
	}
	n = strcspn(text.buf, "\r\n");
	if (!n || n >= room || strlen(text.buf) != text.len) {
		err_set(e, ERR_USAGE, 0, "%s: its %s: %s has to give one line of at most %zu bytes",
			cluster, what, from->file[0] ? from->file : from->command[0], room - 1);
		goto out;
	}
	memcpy(out, text.buf, n);
	out[n] = '\0';
	from->file[0] = '\0'; /* once is enough */
	attach_words_free(from->command);
	rc = 0;
out:
	memset(text.buf, 0, text.len);
	strbuf_release(&text);
	return rc;
}

int attach_secrets(struct attach_file *f, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		struct attach_cluster *c = &f->c[i];
		const char *const files[][2] = { { c->password.file, "a password" },
						 { c->sink_secret.file, "a password" },
						 { c->tls.key, "a private key" },
						 { c->sql.ssl_key, "a private key" } };

		for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++)
			if (*files[k][0])
				attach_note_loose(f, files[k][0], files[k][1]);
		if (take_first_line(&c->password, c->sql.password, sizeof(c->sql.password), c->name,
				    "password", e) < 0 ||
		    take_first_line(&c->sink_secret, c->sink_password, sizeof(c->sink_password),
				    c->name, "sink's password", e) < 0)
			return -1;
	}
	return 0;
}
