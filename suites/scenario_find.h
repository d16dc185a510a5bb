/* Where scenarios are: beside you, in $DRTEST_SCENARIOS, or installed beside the program
 * (PREFIX/share/drtest/scenarios). */
#ifndef SUITES_SCENARIO_FIND_H
#define SUITES_SCENARIO_FIND_H

/* "failover", "failover.lua" and "scenarios/failover.lua" as a path that exists; what is found
 * nowhere comes back as it is. The text stays valid until the next call. */
const char *scenario_find(const char *name);
/* The folder that `drtest list` shows: ./scenarios where there is one; NULL: none anywhere. The
 * same lifetime. */
const char *scenario_folder(void);

/* Of the scenarios in that folder, the one that a mistyped name is nearest to, without ".lua";
 * NULL: none is near. The same lifetime. */
const char *scenario_nearest(const char *name);

#endif
