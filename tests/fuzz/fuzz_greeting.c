/* lib: sql */
#include <arpa/inet.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/sql/sql.h"

#define PASSWORD "ZQ7clearSECRET"
#define WAIT_MS 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int listener = -1;
static unsigned port;

static void listen_once(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);

	if (listener >= 0)
		return;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, n) < 0 ||
	    listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *)&at, &n) < 0)
		abort();
	port = ntohs(at.sin_port);
}

struct script {
	const uint8_t *data;
	size_t size;
};

/* A packet of the client's, as far as it comes: the password may not be in it. */
static ssize_t hear(int fd)
{
	char got[65536];
	ssize_t n = recv(fd, got, sizeof(got), 0);

	if (n > 0 && memmem(got, (size_t)n, PASSWORD, sizeof(PASSWORD) - 1))
		abort();
	return n;
}

/* The server: one packet of the input (a length of two bytes before each) for each of the
 * client's. */
static void *serve(void *arg)
{
	struct script *s = arg;
	struct timeval patience = { .tv_usec = 200000 };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	uint8_t seq = 0;

	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (size_t at = 0; at + 2 <= s->size;) {
		size_t n = (size_t)s->data[at] | (size_t)s->data[at + 1] << 8;
		uint8_t head[4];

		at += 2;
		n = n < s->size - at ? n : s->size - at;
		head[0] = (uint8_t)n;
		head[1] = (uint8_t)(n >> 8);
		head[2] = 0;
		head[3] = seq;
		if (send(fd, head, 4, MSG_NOSIGNAL) < 0 ||
		    send(fd, s->data + at, n, MSG_NOSIGNAL) < 0 || hear(fd) <= 0)
			break;
		seq = (uint8_t)(seq + 2);
		at += n;
	}
	shutdown(fd, SHUT_WR);
	while (hear(fd) > 0)
		;
	close(fd);
	return NULL;
}

/* Whatever a server says, without TLS it is not told the password, and the connection ends in an
 * error or in order. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_endpoint ep = { .host = "127.0.0.1", .user = "u", .password = PASSWORD };
	struct script script = { data, size };
	struct err e = ERR_INIT;
	pthread_t server;
	struct sql *s;

	listen_once();
	ep.port = port;
	if (pthread_create(&server, NULL, serve, &script) != 0)
		abort();
	s = sql_open(&ep, deadline_in_ms(WAIT_MS), &e);
	if (!s && !e.text[0])
		abort();
	sql_close(s);
	pthread_join(server, NULL);
	return 0;
}
