/* What the files of undo share: undo.c writes and reads the notes and puts back, undo_left.c
 * removes what is left. */
#ifndef HARNESS_CLUSTER_UNDO_IMPL_H
#define HARNESS_CLUSTER_UNDO_IMPL_H

#include <time.h>

#include "harness/base/strbuf.h"
#include "harness/cluster/undo.h"

#define UNDO_IS_LEFT(kind) ((kind) >= UNDO_LEFT_FEED)

struct undo {
	char *path;
	int fd; /* locked */
	/* what is left, and restores that run: in a list of this process */
	enum undo_kind kind;
	char *cluster, *name, *identity;
	struct undo *next;
};
extern struct undo *undo_left_here;

/* A note that is read. */
struct undo_text {
	int fd; /* locked, unless its run lives */
	struct strbuf text;
	/* kind, file, cluster, name, then attach_identity() and the file's owner of then */
	char *line[6];
	enum undo_kind kind;
	time_t since;
};
/* false: its run lives (then *alive), or it is somebody else's, or cut off */
bool undo_note_read(struct undo_text *n, const char *path, bool *alive);
void undo_note_release(struct undo_text *n);

/* Of what is put back, by kind. */
struct undo_words {
	const char *thing, *done, *by_hand;
};
extern const struct undo_words undo_words[];

char *undo_folder(void); /* NULL: HOME is not set; the caller frees */
/* Its folder's real path and its own name, as it is called there: the file itself may be a link
 * that leads somewhere else tomorrow (Kubernetes mounts a ConfigMap so). */
char *undo_real_name(const char *clusters_file, struct err *e);
/* Under the name it was noted with, or another one of it. */
bool undo_is_same_file(const char *noted, const char *named);

#endif
