/* drtest diff: compares the tables of two clusters. Exit code 0 equal, 1 different, 2 usage, 3 environment. */
#ifndef CLI_CMD_DIFF_H
#define CLI_CMD_DIFF_H

int cmd_diff(int argc, char **argv);

#endif
