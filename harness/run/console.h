/* The terminal while a run goes on: a header, a line a step as it ends; on a terminal also the step
 * under way and, below it, live figures, written over in place. */
#ifndef HARNESS_RUN_CONSOLE_H
#define HARNESS_RUN_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct console {
	FILE *out;
	bool tty, color;
	int columns, name_columns; /* of the terminal, and there of a step's name */
	bool open_line;            /* the cursor is on lines that will be written over */
	pthread_mutex_t lock;
};
void console_init(struct console *c, FILE *out);
void console_header(struct console *c, const char *version, const char *scenario,
		    const char *ground, uint64_t seed, const char *extra);
void console_step_begin(struct console *c, int n, const char *name);
void console_step_end(struct console *c, int n, const char *name, const char *status,
		      double seconds, const char *detail);
/* Below a step: a failed check, a note. */
void console_remark(struct console *c, const char *kind, const char *text);
/* A server's or a script's text made harmless for a terminal, in place: control characters become
 * '?'. Returns it. */
char *console_inert(char *text);
/* On a terminal only: the step under way, and below it what it is doing. Any thread. */
void console_live(struct console *c, int n, const char *name, double seconds, const char *figures);

#endif
