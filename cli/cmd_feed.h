/* drtest feed: the changefeed's process. */
#ifndef CLI_CMD_FEED_H
#define CLI_CMD_FEED_H

int cmd_feed(int argc, char **argv); /* argv[0] is "feed" */

#endif
