/* getopt_long() whose errors help: one line with the command, the option, and the one that was
 * probably meant. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <getopt.h>

/* As getopt_long(); argv[0] is the command's words ("run"). '?': wrong usage, and the line is
 * printed. */
int options_next(int argc, char **argv, const char *shorts, const struct option *longs, int *at);

/* The file of a scenario or suite that was named (suites/scenario_find.h); NULL: there is none, and
 * the line is printed, with the one that was probably meant. */
const char *options_scenario(const char *command, const char *name);

/* For commands without options: at most max_args arguments. 0: go on; 1: help was printed; 2:
 * wrong, and said so. */
int options_only_help(int argc, char **argv, const char *help, int max_args);

#endif
