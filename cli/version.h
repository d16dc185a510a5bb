/* The version of drtest, its compiler and libraries. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

extern const char *const drtest_version; /* 0.1.0-g<commit>; -dirty: of changed files */
/* `drtest --version`: the version, the compiler, and each library with the version that is loaded
 * now. Where another one was compiled with, it is told beside it. */
void version_print(void);

#endif
