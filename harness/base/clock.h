/* Time: deadlines on CLOCK_MONOTONIC, wall clock for TSOs and people, and waiting that ends when
 * the run is cancelled. */
#ifndef HARNESS_BASE_CLOCK_H
#define HARNESS_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
	int64_t at_ns; /* CLOCK_MONOTONIC */
};

int64_t clock_mono_ns(void);
int64_t clock_wall_ms(void); /* since the epoch, UTC */
int64_t clock_wall_us(void);
struct deadline deadline_in_ms(int64_t ms);
int64_t deadline_left_ms(struct deadline d); /* 0 when passed */
bool deadline_passed(struct deadline d);
struct deadline deadline_min(struct deadline a, struct deadline b);

/* Process-wide cancellation: set by the signal handler or by a test; async-signal-safe. The first
 * call is what ends a run; clock_cancel_reset() begins the teardown, which may wait again. */
void clock_cancel(int signo);
int clock_cancelled(void); /* 0, or the signal number */
/* handler, for example clock_cancel(), takes what asks a program to end: SIGINT, SIGTERM, SIGQUIT,
 * and SIGHUP unless nohup has it ignored. */
void clock_on_end_signals(void (*handler)(int signo));
void clock_cancel_reset(void);

/* Sleeps ms or until the deadline or cancellation. 0: go on waiting; -1: the deadline passed or the
 * run was cancelled. */
int pause_ms(int64_t ms, struct deadline d);

/* "20s", "1.5m", "250ms", "2h" or plain seconds to milliseconds; -1 if it is no duration or out of
 * range (30 days). DURATION_FORM is what an error says of it. */
#define DURATION_FORM "a duration such as 250ms, 20s, 1.5m or 2h, at most 720h"
int64_t duration_parse_ms(const char *text);

#endif
