/* drtest list, doctor and clean: what there is around a run. */
#ifndef CLI_CMD_GROUND_H
#define CLI_CMD_GROUND_H

int cmd_list(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_clean(int argc, char **argv);

#endif
