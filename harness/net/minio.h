/* A MinIO server of ours: finds the binary, starts it on 127.0.0.1, waits until it is ready,
 * creates nothing. */
#ifndef HARNESS_NET_MINIO_H
#define HARNESS_NET_MINIO_H

#include "harness/os/proc.h"

struct minio_opts {
	const char *data_dir; /* made if absent */
	const char *log_path;
	const char *user, *password; /* to the child by environment, never argv */
	int port;                    /* wanted; a free one when it is taken. 0: any */
	bool outlives_us;            /* may be left running by minio_detach() */
};
struct minio;
/* $DRTEST_MINIO, PATH, ${XDG_CACHE_HOME:-~/.cache}/drtest/bin; NULL with *e telling how to get it.
 * The caller frees. */
char *minio_find(struct err *e);
struct minio *minio_start(const struct minio_opts *o, struct deadline d, struct err *e);
/* Again, with its data, on its port, after it was killed or ended; o as it was. */
int minio_restart(struct minio *m, const struct minio_opts *o, struct deadline d, struct err *e);
int minio_port(const struct minio *m);
struct proc *minio_proc(struct minio *m); /* still the minio's */
void minio_free(struct minio *m);         /* stops it; NULL is fine */
void minio_detach(struct minio *m);       /* frees m and leaves the server running (--keep) */

#endif
