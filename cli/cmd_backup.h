/* drtest backup, drtest restore: the local ground's full backup, by hand. argv[0] is the sub-command's name; the exit code is returned. */
#ifndef CLI_CMD_BACKUP_H
#define CLI_CMD_BACKUP_H

int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);

#endif
