#include "harness/base/nearest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64
/* one more, one less, or two exchanged: commoner slips than another letter */
#define LETTER 2
#define OTHER_LETTER 3

static int fold_letter(char c)
{
	return c == '_' ? '-' : tolower((unsigned char)c);
}

/* Insertions, deletions, replacements and exchanges of neighbours that make one of the other. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[3][WORD_MAX + 1] = { { 0 } };
	size_t n = strlen(a), m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned)j * LETTER;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = (unsigned)i * LETTER;
		for (size_t j = 1; j <= m; j++) {
			unsigned best =
				last[j - 1] +
				(fold_letter(a[i - 1]) != fold_letter(b[j - 1]) ? OTHER_LETTER : 0);

			if (last[j] + LETTER < best)
				best = last[j] + LETTER;
			if (now[j - 1] + LETTER < best)
				best = now[j - 1] + LETTER;
			if (i > 1 && j > 1 && fold_letter(a[i - 1]) == fold_letter(b[j - 2]) &&
			    fold_letter(a[i - 2]) == fold_letter(b[j - 1]) &&
			    before[j - 2] + LETTER < best)
				best = before[j - 2] + LETTER;
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

const char *nearest(const char *word, const char *const *names, size_t n)
{
	size_t len = strlen(word);
	unsigned best = len < 4 ? OTHER_LETTER : len < 9 ? 2 * LETTER + 1 : 3 * LETTER + 1;
	const char *found = NULL;

	if (len < 2 || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(names[i]);
		unsigned d;

		if (other > WORD_MAX)
			continue;
		/* a beginning of it is meant too: "hist" for "history" */
		d = len >= 3 && len < other && strncmp(word, names[i], len) == 0
			    ? LETTER
			    : edit_distance(word, names[i]);
		if (d < best || (d == best && !found)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
