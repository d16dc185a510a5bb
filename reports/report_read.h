/* A run folder's model: report_make() and history read runs in the same way. */
#ifndef REPORTS_REPORT_READ_H
#define REPORTS_REPORT_READ_H

#include "reports/run_model.h"

/* no folder, no journal: ERR_USAGE */
int report_read(const char *run_dir, struct run_model *m, struct err *e);

#endif
