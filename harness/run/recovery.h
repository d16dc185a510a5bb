/* The clock of RPO and RTO: from the disaster through its phases to the first write on the promoted
 * secondary. Main thread. */
#ifndef HARNESS_RUN_RECOVERY_H
#define HARNESS_RUN_RECOVERY_H

#include <stdint.h>

struct runtime;

/* The disaster: starts RTO's clock and its first phase, "detect". */
void recovery_disaster(struct runtime *r, const char *kind, const char *target, int64_t at_ns);
int64_t recovery_disaster_ns(const struct runtime *r); /* 0: none yet */
int64_t recovery_disaster_wall_ms(const struct runtime *r);
void recovery_phase(struct runtime *r, const char *name);
/* "service" ends the phases; "redundant" */
void recovery_reached(struct runtime *r, const char *what, int64_t at_ns);

#endif
