/* Secrets of the clusters file that are elsewhere: a file's first line, a command's. */
#include <string.h>
#include <stdlib.h>
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

		if (take_first_line(&c->password, c->sql.password, sizeof(c->sql.password), c->name,
				    "password", e) < 0 ||
		    take_first_line(&c->sink_secret, c->sink_password, sizeof(c->sink_password),
				    c->name, "sink's password", e) < 0)
			return -1;
	}
	return 0;
}
