/* The attach ground's BACKUP and RESTORE, as struct cluster_ops wants them: noted while they run,
 * so that they are ended and what they brought is told of when drtest has died. */
#ifndef HARNESS_CLUSTER_ATTACH_ATTACH_COPY_H
#define HARNESS_CLUSTER_ATTACH_ATTACH_COPY_H

#include "harness/cluster/cluster_impl.h"

int attach_backup(struct cluster *c, const char *uri, const struct backup_opts *o,
		  struct backup_result *r, struct err *e);
int attach_fill(struct cluster *c, struct err *e);
void attach_filled(struct cluster *c);
int attach_restore(struct cluster *c, const char *uri, const struct restore_opts *o,
		   struct backup_result *r, struct err *e);
int attach_restored(struct cluster *c, struct backup_result *r, struct err *e);

#endif
