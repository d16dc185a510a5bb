/* Anybody who can write to the store could have written the SQL definitions in a backup. So a
 * restore only runs what a server's SHOW CREATE would print: a single CREATE of that object, and
 * for a table one without rows. */
#ifndef HARNESS_BACKUP_DEFINITION_H
#define HARNESS_BACKUP_DEFINITION_H

#include "harness/base/err.h"

enum definition { DEFINITION_DATABASE, DEFINITION_TABLE, DEFINITION_VIEW, DEFINITION_SEQUENCE };
/* ERR_BAD_DATA, naming the object: the text is something else. */
int definition_check(enum definition what, const char *db, const char *name, const char *text,
		     struct err *e);

#endif
