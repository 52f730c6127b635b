/* cli/stop.h - SIGINT and SIGTERM as a flag, so that everything is cleaned up
 * on the way out; a second signal ends the process at once. */
#ifndef CLI_STOP_H
#define CLI_STOP_H

void oq_stop_setup(void);
/* Number of the signal that came, 0 if none did. */
int oq_stop_signal(void);
/* For oq_rt_options.cancelled. */
int oq_stop_asked(void *unused);

#endif
