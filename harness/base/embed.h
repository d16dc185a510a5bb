/* Lua files that are part of the program: tools/embed turns PATH into the symbols embed_<PATH with
 * _ for all but letters and digits> and ..._size. Declare the one you need with
 * EMBEDDED(harness_run_scenario_lua). */
#ifndef HARNESS_BASE_EMBED_H
#define HARNESS_BASE_EMBED_H

#define EMBEDDED(sym)                             \
	extern const unsigned char embed_##sym[]; \
	extern const unsigned long embed_##sym##_size

#endif
