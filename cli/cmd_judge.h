#ifndef CLI_CMD_JUDGE_H
#define CLI_CMD_JUDGE_H

int cmd_judge(int argc, char **argv);

#endif
