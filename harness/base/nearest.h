/* "Did you mean": the existing name that is closest to a mistyped word. */
#ifndef HARNESS_BASE_NEAREST_H
#define HARNESS_BASE_NEAREST_H

#include <stddef.h>

/* NULL: none is near enough to be meant. Upper and lower case, '-' and '_' are taken as one. */
const char *nearest(const char *word, const char *const *names, size_t n);

#endif
