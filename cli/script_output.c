/* script_output.c - what a script prints, on its way to standard output. */
#include "cli/script_output.h"

#include "cli/print.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 200 /* a signal may have come just before */

void script_output_init(struct script_output *o, int fd) {
  struct stat st;
  *o = (struct script_output){.fd = fd, .visible = isatty(fd) == 1};
  if (fstat(fd, &st) == 0) {
    o->whole = S_ISREG(st.st_mode);
    o->socket = S_ISSOCK(st.st_mode);
  }
}

void script_output_deinit(struct script_output *o) {
  free(o->data);
  o->data = NULL;
  o->begin = o->end = o->cap = 0;
}

bool script_output_waits(const struct script_output *o) {
  return o->end > o->begin && o->error == 0;
}

static bool ready(const struct script_output *o, int timeout_ms) {
  struct pollfd p = {.fd = o->fd, .events = POLLOUT};
  return o->whole || poll(&p, 1, timeout_ms) > 0;
}

/* Writes what |o->fd| takes now; returns how much.  The description is shared
 * with other programs, so it is not made non-blocking: a pipe that is ready
 * takes PIPE_BUF bytes. */
static size_t write_ready(struct script_output *o, const char *data,
                          size_t len) {
  size_t done = 0;
  if (o->visible && len > 0)
    print_hide_below();
  while (done < len && o->error == 0 && ready(o, 0)) {
    size_t n = len - done;
    ssize_t rv;
    if (o->socket) {
      rv = send(o->fd, data + done, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      if (!o->whole && n > PIPE_BUF)
        n = PIPE_BUF;
      rv = write(o->fd, data + done, n);
    }
    if (rv >= 0)
      done += (size_t)rv;
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      break;
    else if (errno != EINTR)
      o->error = errno;
  }
  return done;
}

void script_output_flush(struct script_output *o) {
  o->begin += write_ready(o, o->data + o->begin, o->end - o->begin);
  if (o->begin == o->end || o->error)
    o->begin = o->end = 0;
}

uint64_t script_output_now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t script_output_until(uint64_t at_ms, uint64_t delay_ms) {
  return delay_ms == 0 || delay_ms > UINT64_MAX - at_ms ? 0 : at_ms + delay_ms;
}

/* How long who prints may be held up, at a time. */
static int patience_ms(const struct script_output *o) {
  uint64_t now;
  if (o->stop && *o->stop)
    return 0;
  if (o->until_ms == 0)
    return PATIENCE_MS;
  now = script_output_now_ms();
  if (now >= o->until_ms)
    return 0;
  return o->until_ms - now < PATIENCE_MS ? (int)(o->until_ms - now)
                                         : PATIENCE_MS;
}

/* Puts |data| behind what waits. */
static void keep(struct script_output *o, const char *data, size_t len) {
  int wait_ms;
  if (o->error || len == 0)
    return;
  while (o->end - o->begin >= SCRIPT_OUTPUT_MAX_BYTES && o->error == 0 &&
         (wait_ms = patience_ms(o)) > 0) {
    ready(o, wait_ms);
    script_output_flush(o);
  }
  /* each byte that is moved is paid for by those that have gone: a slow reader
   * makes room in pieces, and what waits would be moved for each of them */
  if (len > o->cap - o->end && o->begin > (o->end - o->begin) / 4) {
    memmove(o->data, o->data + o->begin, o->end - o->begin);
    o->end -= o->begin;
    o->begin = 0;
  }
  if (len > o->cap - o->end) {
    o->cap = (o->end + len) * 2;
    o->data = must_resize(o->data, o->cap, 1);
  }
  memcpy(o->data + o->end, data, len);
  o->end += len;
}

static void add_visible(struct script_output *o, const char *data, size_t len) {
  struct out shown;
  while (len > 0) {
    /* a sixteenth fits whatever it grows to */
    size_t n = len < sizeof shown.buf / 16 ? len : sizeof shown.buf / 16;
    for (int back = 0;
         n < len && back < 3 && ((unsigned char)data[n] & 0xc0u) == 0x80u;
         back++)
      n--; /* no character is cut */
    out_init(&shown, -1);
    out_visible(&shown, data, n);
    keep(o, shown.buf, shown.len);
    data += n;
    len -= n;
  }
  script_output_flush(o);
}

void script_output_add(struct script_output *o, const char *data, size_t len) {
  size_t done = 0;
  if (o->visible) {
    add_visible(o, data, len);
    return;
  }
  if (!script_output_waits(o))
    done = write_ready(o, data, len);
  keep(o, data + done, len - done);
}
