/* The definitions in a backup are SQL that somebody who may write to the store could have written.
 * Only what a server's own SHOW CREATE shows is run: one CREATE of just that object, and of a table
 * without rows of its own. */
#ifndef HARNESS_BACKUP_DEFINITION_H
#define HARNESS_BACKUP_DEFINITION_H

#include "harness/base/err.h"

enum definition { DEFINITION_DATABASE, DEFINITION_TABLE, DEFINITION_VIEW, DEFINITION_SEQUENCE };
/* ERR_BAD_DATA, naming the object: the text is something else. */
int definition_check(enum definition what, const char *db, const char *name, const char *text,
		     struct err *e);

#endif
