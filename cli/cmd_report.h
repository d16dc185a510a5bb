/* drtest report RUN…: makes a run's reports again from its journal. Exit code 0 made, 2 no such run, 3 the folder can't be read or written. */
#ifndef CLI_CMD_REPORT_H
#define CLI_CMD_REPORT_H

int cmd_report(int argc, char **argv);

#endif
