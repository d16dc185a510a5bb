#include "cli/version.h"

#ifndef DRTEST_VERSION
#define DRTEST_VERSION "unknown"
#endif

const char *const drtest_version = DRTEST_VERSION;
