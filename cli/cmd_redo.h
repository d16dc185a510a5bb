/* drtest redo meta|apply|cat: a redo log, TiCDC's or ours. */
#ifndef CLI_CMD_REDO_H
#define CLI_CMD_REDO_H

int cmd_redo(int argc, char **argv);

#endif
