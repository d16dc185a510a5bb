/* The result of a check. Of several, the worst counts. */
#ifndef HARNESS_BASE_VERDICT_H
#define HARNESS_BASE_VERDICT_H

enum verdict { VERDICT_PASS = 0, VERDICT_UNKNOWN = 1, VERDICT_FAIL = 2 };

#endif
