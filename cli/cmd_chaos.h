#ifndef CLI_CMD_CHAOS_H
#define CLI_CMD_CHAOS_H

/* drtest chaos list|proxy|kill|interrupt|pause|memory */
int cmd_chaos(int argc, char **argv);

#endif
