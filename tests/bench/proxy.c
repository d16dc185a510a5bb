/* What the fault proxy costs when it does nothing: the median round trip of 64 bytes with and
 * without it, in turn, and how many bytes a second of its processor it passes on. Usage: proxy
 * [rounds]. Built and run by `make bench-proxy`. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chaos/netproxy.h"
#include "harness/base/clock.h"
#include "harness/base/hist.h"

#define PINGS 5000
#define POUR_BYTES ((uint64_t)6 << 30)
#define BLOCK ((size_t)1 << 20)

static int listener(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0)
		exit(3);
	getsockname(fd, (struct sockaddr *)&a, &n);
	*port = ntohs(a.sin_port);
	return fd;
}

static int dial(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		exit(3);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return fd;
}

static void *echo(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char buf[256];
	ssize_t n;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	close(fd);
	return NULL;
}

/* The client takes what comes: MSG_TRUNC throws it away in the kernel, so that the proxy, not the
 * reader, is what is measured. */
static void *sink(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);

	while (recv(fd, NULL, BLOCK, MSG_TRUNC) > 0)
		;
	close(fd);
	return NULL;
}

static double ping_us(int listen_fd, int port)
{
	struct hist *h = calloc(1, sizeof(*h));
	char buf[64] = "ping";
	pthread_t t;
	double median;
	int fd;

	pthread_create(&t, NULL, echo, &listen_fd);
	fd = dial(port);
	for (int i = 0; i < PINGS; i++) {
		int64_t from = clock_mono_ns();

		if (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf) ||
		    recv(fd, buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
			exit(3);
		hist_add(h, (uint64_t)(clock_mono_ns() - from) / 100); /* tenths of a microsecond */
	}
	close(fd);
	pthread_join(t, NULL);
	median = (double)hist_quantile_us(h, 0.5) / 10;
	free(h);
	return median;
}

static double pour_gb_s(int listen_fd, int port)
{
	char *block = calloc(1, BLOCK);
	uint64_t sent = 0;
	int64_t from;
	pthread_t t;
	int fd;

	pthread_create(&t, NULL, sink, &listen_fd);
	fd = dial(port);
	from = clock_mono_ns();
	while (sent < POUR_BYTES) {
		ssize_t n = send(fd, block, BLOCK, MSG_NOSIGNAL);

		if (n <= 0)
			exit(3);
		sent += (uint64_t)n;
	}
	shutdown(fd, SHUT_WR);
	pthread_join(t, NULL);
	close(fd);
	free(block);
	return (double)sent / (double)(clock_mono_ns() - from);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5, port, fd = listener(&port);
	struct err e = ERR_INIT;
	struct netproxy *p = netproxy_start(&(struct netproxy_opts){ .to_port = port }, &e);

	if (!p) {
		fprintf(stderr, "%s\n", e.text);
		return 3;
	}
	printf("round   round trip of 64 bytes, median (us)      6 GiB one way (GB/s)\n");
	printf("        direct   by proxy   added                direct   by proxy   by proxy, per second of its processor\n");
	for (int i = 1; i <= rounds; i++) {
		struct netproxy_stats a, b;
		double direct = ping_us(fd, port), proxied = ping_us(fd, netproxy_port(p)), d, q;

		d = pour_gb_s(fd, port);
		netproxy_get_stats(p, &a);
		q = pour_gb_s(fd, netproxy_port(p));
		netproxy_get_stats(p, &b);
		printf("%5d   %6.1f   %8.1f   %5.1f                %6.2f   %8.2f   %8.2f\n", i,
		       direct, proxied, proxied - direct, d, q,
		       (double)(b.bytes[0] - a.bytes[0]) / (double)(b.cpu_ns - a.cpu_ns));
	}
	netproxy_free(p);
	return 0;
}
