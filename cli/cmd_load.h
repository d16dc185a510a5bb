/* drtest load NAME prepare|run|cleanup: a load by hand, with sysbench's option names and report. */
#ifndef CLI_CMD_LOAD_H
#define CLI_CMD_LOAD_H

int cmd_load(int argc, char **argv);

#endif
