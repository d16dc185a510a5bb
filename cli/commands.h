/* The commands of drtest. argv[0] is the name of the command ("run"); the exit code is returned
 * (README, "Exit codes"); errors are printed. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

/* Drills */
int cmd_run(int argc, char **argv);
int cmd_suite(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_capacity(int argc, char **argv); /* scenarios/capacity.lua with options of its own */
int cmd_gameday(int argc, char **argv);  /* scenarios/gameday.lua with options of its own */
int cmd_runbook(int argc, char **argv);
int cmd_chaos(int argc, char **argv);
/* This machine */
int cmd_list(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_clean(int argc, char **argv);
/* Runs so far */
int cmd_report(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_changes(int argc, char **argv);
int cmd_trend(int argc, char **argv);
int cmd_forecast(int argc, char **argv);
int cmd_gate(int argc, char **argv);
/* One part at a time */
int cmd_load(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_feed(int argc, char **argv);
int cmd_redo(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_judge(int argc, char **argv);
/* drtest itself */
int cmd_selftest(int argc, char **argv);

#endif
