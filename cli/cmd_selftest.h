#ifndef CLI_CMD_SELFTEST_H
#define CLI_CMD_SELFTEST_H

/* `drtest selftest`: defects planted in recorded drills; each must be caught. */
int cmd_selftest(int argc, char **argv);

#endif
