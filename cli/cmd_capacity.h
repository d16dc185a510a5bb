/* `drtest capacity`: scenarios/capacity.lua under options of its own. */
#ifndef CLI_CMD_CAPACITY_H
#define CLI_CMD_CAPACITY_H

int cmd_capacity(int argc, char **argv);

#endif
