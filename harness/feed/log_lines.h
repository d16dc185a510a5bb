/* The feed's log: "seconds level message" on standard error, which the parent keeps. Any thread may
 * write. */
#ifndef HARNESS_FEED_LOG_LINES_H
#define HARNESS_FEED_LOG_LINES_H

void feed_log_start(void); /* second 0 is now */
/* "info", "warn", "error" */
void feed_log(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
