/* drtest run. */
#ifndef CLI_CMD_RUN_H
#define CLI_CMD_RUN_H

#include "harness/run/runtime.h"

int cmd_run(int argc, char **argv);
extern const struct runtime_module scenario_modules[]; /* what scenarios are given beyond harness/run */

#endif
