#ifndef CLI_CMD_SWEEP_H
#define CLI_CMD_SWEEP_H

/* drtest sweep: one scenario, many seeds, one table. */
int cmd_sweep(int argc, char **argv);

#endif
