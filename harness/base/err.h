/* An error with its context. Callers own the struct; it holds no memory to free.
 * err_set, err_sys and err_wrap return -1, so `return err_set(...)` is the usual way out. */
#ifndef HARNESS_BASE_ERR_H
#define HARNESS_BASE_ERR_H

enum err_kind {
	ERR_NONE = 0,
	ERR_USAGE,     /* wrong option, script or URI: exit code 2 */
	ERR_ENV,       /* a tool, port, directory or credential is missing: exit code 3 */
	ERR_IO,        /* the operating system or a store said no */
	ERR_NOT_FOUND, /* the object, bucket or file is not there */
	ERR_TIMEOUT,   /* a deadline passed; trying again may help */
	ERR_CANCELLED, /* the run was cancelled (Ctrl-C): exit code 130 */
	ERR_BAD_DATA,  /* bytes from outside break their format */
	ERR_SQL,       /* the server answered with an error; code is its number */
	ERR_GONE,      /* the connection was lost; code is the client's number */
	ERR_CONFLICT,  /* deadlock or lock wait: the transaction may be tried again */
	ERR_UNSUPPORTED,
	/* a child of ours was killed by somebody else (out of memory, most likely): what it did
	 * can't be judged */
	ERR_KILLED,
};

struct err {
	enum err_kind kind;
	int code;        /* errno, SQL error number or HTTP status; 0 if none */
	char text[1024]; /* for people: one line, outermost context first */
};
/* clang-format off */
#define ERR_INIT { .kind = ERR_NONE }
/* clang-format on */

/* e may be NULL: then the error is dropped and only the -1 remains. */
int err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Kind ERR_IO, code errno, ": strerror" appended. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the text that is there. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What comes from outside, in place: control characters (a terminal obeys them, a line feed begins
 * another line) become blanks. */
void err_one_line(char *text);
/* The exit code of a command that ended with this error: 2 usage, 130 cancelled, else 3. */
int err_exit_code(const struct err *e);

#endif
