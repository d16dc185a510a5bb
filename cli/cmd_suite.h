/* drtest suite FILE: scenarios x seeds x options one after another, one report over all. The exit code is returned. */
#ifndef CLI_CMD_SUITE_H
#define CLI_CMD_SUITE_H

int cmd_suite(int argc, char **argv);

#endif
