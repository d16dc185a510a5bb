/* A command's options as data: one table gives the parsing, --help (from which completion and the
 * manual page are made) and the errors. A new option is a line in its command's table. Errors are
 * one line with the command, the option, and what is wanted or probably meant. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "harness/base/err.h"

enum option_kind {
	OPTION_FLAG,     /* bool: true */
	OPTION_OFF,      /* bool: false */
	OPTION_ON_OFF,   /* bool, from "on" or "off" */
	OPTION_TEXT,     /* const char *: the argument itself */
	OPTION_FIELD,    /* char[max] */
	OPTION_UNSIGNED, /* unsigned, min to max */
	OPTION_WHOLE,    /* uint64_t, min to max */
	OPTION_REAL,     /* double, at least 0; with min: above 0 */
	OPTION_TIME_MS,  /* int64_t, above 0, from "90s", "10m" */
	OPTION_SIZE,     /* size_t, above 0, from "256MiB" */
	OPTION_CHOICE,   /* int: the place among the words of arg, "merge|txn" */
	OPTION_TAKE,     /* take() */
	OPTION_IGNORED,  /* taken for compatibility; says and changes nothing */
	OPTION_RENAMED,  /* the spelling of the version before: what `now` names is set */
};

/* How often an option with a value may be given; a flag does no harm twice. */
enum option_times {
	OPTION_ONCE,
	OPTION_PER_NAME, /* name=value: each name once */
	OPTION_OFTEN,
};

/* At `at` of the struct that options_parse() fills. */
struct option_def {
	const char *name; /* without "--"; NULL ends a table */
	enum option_kind kind;
	const char *arg;  /* "URI", "merge|txn"; NULL: it takes no value */
	const char *help; /* one sentence, broken by options_help(); NULL: not shown */
	size_t at;
	uint64_t min, max;
	char letter; /* -k; 0: none */
	/* -1: *e says what is wrong, best by option_wants() */
	int (*take)(void *into, const char *text, struct err *e);
	const char *now; /* an old spelling: what it is called now, which a note on stderr tells */
	enum option_times times;
	/* Of a command with verbs: those that it is for, "apply, cat", told before its help and
	 * held against argv[0]; NULL: all. */
	const char *verbs;
};

struct command_def {
	const char *name;  /* "run", "redo" */
	const char *usage; /* lines, each beginning with "drtest" */
	const char *about; /* what it does: before the options */
	const struct option_def *options;
	const char *more;    /* after them: exit codes */
	const char *operand; /* "one scenario file"; NULL: none */
	const char *example; /* of it */
	int operands_max;    /* 0: none */
};

/* 0: go on, operands are argv[optind] and on; 1: help was printed; 2: wrong, and said so. Fewer
 * operands than wanted is the command's to see. */
int options_parse(const struct command_def *c, int argc, char **argv, void *into);
void options_help(const struct command_def *c, FILE *out);
/* Prints text from column `from` on, of a line of which `used` are taken, broken at blanks on a
 * terminal; no line of a pipe is broken. */
void options_beside(const char *text, int used, int from);
/* Prints "drtest NAME: …" and returns 2. */
int options_wrong(const struct command_def *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The verb of a command that has several is "" or none of them. Returns 2. */
int options_no_verb(const struct command_def *c, const char *verb, const char *const *verbs,
		    size_t n);

/* The options that one command line has given so far. {0} is none. */
struct options_given {
	struct option_given {
		const struct option_def *o;
		const char *text;
	} * given;
	size_t n;
};
/* Adds o with its value, whose text must stay. -1: it was given before, and may not be twice. */
int options_give(struct options_given *g, const struct option_def *o, const char *text,
		 struct err *e);
void options_given_release(struct options_given *g);

/* For commands whose words are not getopt's: one option by name, and its value. */
const struct option_def *option_find(const struct option_def *table, const char *name);
/* o itself; of an old spelling: the option that it is now, after the note. */
const struct option_def *option_of_now(const struct command_def *c, const struct option_def *o);
int option_set(const struct option_def *o, void *into, const char *text, struct err *e);
/* Sets *e to "'TEXT' is not WANT"; -1. */
int option_wants(struct err *e, const char *text, const char *want);

/* The file of a scenario or suite that was named (suites/scenario_find.h); NULL: there is none, and
 * the line is printed, with the one that was probably meant. */
const char *options_scenario(const char *command, const char *name);

#endif
