#ifndef CLI_VERSION_H
#define CLI_VERSION_H

extern const char *const drtest_version;

#endif
