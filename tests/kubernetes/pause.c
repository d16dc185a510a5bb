/* What holds a pod's namespaces: it does nothing, takes in the children that others left, and ends
 * when it is told to. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signo)
{
	(void)signo;
	_exit(0);
}

static void take_in(int signo)
{
	(void)signo;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	signal(SIGTERM, leave);
	signal(SIGINT, leave);
	signal(SIGCHLD, take_in);
	for (;;)
		pause();
}
