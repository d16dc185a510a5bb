/* sysbench options that are accepted only with sysbench's default value, so that a command line
 * from a guide works. */
#ifndef CLI_LOAD_LOAD_SYSBENCH_H
#define CLI_LOAD_LOAD_SYSBENCH_H

#include <stdbool.h>
#include <stddef.h>

/* name with '-' for '_'. The default's text ("" an empty value); NULL: sysbench has no such option,
 * or drtest load has it itself. */
const char *load_sysbench_default(const char *name);
/* on or off; without a value it is on */
bool load_sysbench_flag(const char *name);
bool load_sysbench_is_default(const char *name, const char *value);
size_t load_sysbench_names(const char **names, size_t max);

#endif
