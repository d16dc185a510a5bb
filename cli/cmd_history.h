/* drtest history, compare, trend, gate: runs beside each other. argv[0] is the sub-command's name; the exit code is returned. */
#ifndef CLI_CMD_HISTORY_H
#define CLI_CMD_HISTORY_H

int cmd_history(int argc, char **argv); /* 0; 2 usage; 3 the history can't be read */
int cmd_compare(int argc, char **argv);
int cmd_trend(int argc, char **argv);
int cmd_gate(int argc, char **argv);    /* also 1: a rule is broken; 4: too little history to judge */

#endif
