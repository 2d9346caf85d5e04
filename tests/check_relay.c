/* check_relay.c - bytes between a stream and a local socket: both ends, who
 * says that it is over and goes on, and who takes more than a share. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/net/relay.h"
#include "tests/unit.h"

struct stage {
  struct failing_mem fm;
  struct loop *loop;
  struct relay_crew crew;
  struct list all;
};

/* One relay, and who is at its ends. */
struct line {
  struct relay *relay;
  int peer;  /* the other end of the stream */
  int local; /* what another process has */
  int ended;
};

static void on_event(struct watch *w, unsigned events, void *ud) {
  (void)w;
  (void)events;
  (void)ud;
}

static void on_ended(void *ud) {
  struct line *l = ud;
  l->ended++;
  l->relay = NULL;
}

static void stage_init(struct stage *s) {
  memset(s, 0, sizeof *s);
  failing_mem_init(&s->fm, FAIL_NEVER);
  ck_assert_int_eq(loop_new(&s->loop, &s->fm.mem), 0);
  list_init(&s->all);
  relay_crew_init(&s->crew, s->loop);
}

static void stage_end(struct stage *s) {
  relay_crew_deinit(&s->crew);
  relays_cut(&s->all);
  loop_free(s->loop);
  ck_assert_uint_eq(s->fm.live_bytes, 0);
}

static int line_open(struct line *l, struct stage *s) {
  int up[2], down[2], rv;
  struct stream *stream;
  memset(l, 0, sizeof *l);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, up), 0);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, down),
                   0);
  l->peer = up[1];
  l->local = down[1];
  if ((rv = stream_new(&stream, s->loop, up[0], POLLER_READ, on_event, NULL)) !=
      0) {
    close(up[0]);
    close(down[0]);
    return rv;
  }
  rv = relay_new(&l->relay, &s->crew, stream, down[0], &s->all, on_ended, l);
  if (rv != 0) {
    stream_free(stream);
    close(down[0]);
  }
  return rv;
}

static void line_end(struct line *l) {
  close(l->peer);
  close(l->local);
}

static void turns(struct stage *s, int n) {
  while (n-- > 0)
    ck_assert_int_eq(loop_dispatch(s->loop, 0), 0);
}

/* Turns until |cond|, where each moves what there was time for. */
#define turns_until(s, cond)                                                   \
  do {                                                                         \
    for (int left_ = 10000; !(cond); left_--) {                                \
      ck_assert_msg(left_ > 0, "%s never came", #cond);                        \
      turns((s), 1);                                                           \
    }                                                                          \
  } while (0)

/* What |fd| takes, with turns in between, until nothing moves or |most|. */
static size_t push(struct stage *s, int fd, size_t most) {
  static char data[16384];
  size_t sent = 0;
  for (int idle = 0; idle < 20 && sent < most;) {
    ssize_t n = send(fd, data, sizeof data, MSG_NOSIGNAL);
    idle = n > 0 ? 0 : idle + 1;
    sent += n > 0 ? (size_t)n : 0;
    turns(s, 1);
  }
  return sent;
}

static size_t drain(int fd) {
  static char data[65536];
  size_t got = 0;
  ssize_t n;
  while ((n = recv(fd, data, sizeof data, 0)) > 0)
    got += (size_t)n;
  return got;
}

/* Everything arrives, and each end of file behind it. */
START_TEST(both_ways) {
  struct stage s;
  struct line l;
  char text[64] = "";
  stage_init(&s);
  ck_assert_int_eq(line_open(&l, &s), 0);
  ck_assert_int_eq(send(l.local, "up", 2, 0), 2);
  ck_assert_int_eq(send(l.peer, "down", 4, 0), 4);
  turns(&s, 4);
  ck_assert_int_eq(recv(l.peer, text, sizeof text, 0), 2);
  ck_assert_int_eq(recv(l.local, text, sizeof text, 0), 4);
  shutdown(l.peer, SHUT_WR);
  turns(&s, 4);
  ck_assert_int_eq(recv(l.local, text, sizeof text, 0), 0);
  ck_assert_int_eq(l.ended, 0);
  ck_assert_int_eq(send(l.local, "last", 4, 0), 4);
  shutdown(l.local, SHUT_WR);
  turns(&s, 4);
  ck_assert_int_eq(recv(l.peer, text, sizeof text, 0), 4);
  ck_assert_int_eq(recv(l.peer, text, sizeof text, 0), 0);
  ck_assert_int_eq(l.ended, 1);
  ck_assert(list_empty(&s.all));
  line_end(&l);
  stage_end(&s);
}
END_TEST

/* What was said before is heard; nothing that is said afterwards is. */
START_TEST(said_after_the_end) {
  struct stage s;
  struct line l;
  char text[64] = "";
  stage_init(&s);
  ck_assert_int_eq(line_open(&l, &s), 0);
  turns(&s, 4);
  ck_assert_int_eq(send(l.local, "before", 6, 0), 6);
  relay_part(l.relay, false);
  ck_assert_int_eq(send(l.peer, "under way", 9, 0), 9);
  turns(&s, 4);
  ck_assert_int_eq(recv(l.peer, text, sizeof text, 0), 6);
  ck_assert_int_eq(recv(l.local, text, sizeof text, 0), 9);
  /* what is not read has room for so much, and then it is over */
  (void)push(&s, l.local, 4 << 20);
  ck_assert_uint_le(drain(l.peer), RELAY_PART_UP);
  turns(&s, 4);
  ck_assert_uint_le(drain(l.peer), RELAY_PART_UP);
  line_end(&l);
  stage_end(&s);
  /* with nothing under way: not a byte */
  stage_init(&s);
  ck_assert_int_eq(line_open(&l, &s), 0);
  turns(&s, 4);
  relay_part(l.relay, false);
  (void)send(l.local, "after", 5, MSG_NOSIGNAL);
  turns(&s, 4);
  ck_assert_int_eq(recv(l.peer, text, sizeof text, 0), 0);
  ck_assert_int_eq(l.ended, 0);
  line_end(&l);
  stage_end(&s);
}
END_TEST

/* A peer that floods a connection that is over is not read for long. */
START_TEST(flooded_after_the_end) {
  struct stage s;
  struct line l;
  size_t got = 0;
  stage_init(&s);
  ck_assert_int_eq(line_open(&l, &s), 0);
  turns(&s, 4);
  ck_assert_int_eq(send(l.local, "x", 1, 0), 1);
  relay_part(l.relay, false);
  for (int i = 0; i < 400; i++) {
    (void)push(&s, l.peer, 16384);
    got += drain(l.local);
  }
  ck_assert_uint_gt(got, 0);
  ck_assert_uint_le(got, RELAY_PART_DOWN);
  line_end(&l);
  stage_end(&s);
}
END_TEST

/* Those that part are few: the oldest make room. */
START_TEST(many_part) {
  struct stage s;
  struct line l[RELAY_PARTING_MAX + 10];
  size_t left = 0;
  stage_init(&s);
  for (struct line *it = l; it < l + unit_len(l); it++) {
    ck_assert_int_eq(line_open(it, &s), 0);
    ck_assert_int_eq(send(it->local, "x", 1, 0), 1);
    relay_part(it->relay, false);
  }
  list_foreach (it, &s.all)
    left++;
  ck_assert_uint_eq(left, RELAY_PARTING_MAX);
  relay_crew_deinit(&s.crew); /* they go on without it */
  for (struct line *it = l; it < l + unit_len(l); it++)
    line_end(it);
  turns_until(&s, list_empty(&s.all));
  s.crew.loop = NULL;
  stage_end(&s);
}
END_TEST

static size_t least(const size_t *n, size_t len) {
  size_t m = SIZE_MAX;
  for (size_t i = 0; i < len; i++)
    m = n[i] < m ? n[i] : m;
  return m;
}

/* Of relays that always have something to do each gets its turn. */
START_TEST(turns_are_taken) {
  static char data[65536];
  struct stage s;
  struct line l[12];
  size_t moved[12] = {0};
  stage_init(&s);
  for (struct line *it = l; it < l + unit_len(l); it++)
    ck_assert_int_eq(line_open(it, &s), 0);
  for (int i = 0; i < 300 || (i < 3000 && least(moved, 12) <= 10 * 65536);
       i++) {
    for (size_t k = 0; k < unit_len(l); k++) {
      ssize_t n;
      (void)send(l[k].local, data, sizeof data, MSG_NOSIGNAL);
      turns(&s, k == 0);
      while ((n = recv(l[k].peer, data, sizeof data, 0)) > 0)
        moved[k] += (size_t)n;
    }
  }
  unit_each(n, moved) ck_assert_uint_gt(*n, 10 * 65536);
  for (struct line *it = l; it < l + unit_len(l); it++)
    line_end(it);
  stage_end(&s);
}
END_TEST

/* Each allocation refused in turn. */
START_TEST(failing_allocations) {
  bool good = false;
  for (size_t n = 0; !good; n++) {
    struct stage s;
    struct line l;
    int rv;
    stage_init(&s);
    s.fm.fail_at = s.fm.count + n;
    rv = line_open(&l, &s);
    if (rv == 0) {
      (void)send(l.local, "up", 2, 0);
      (void)send(l.peer, "down", 4, 0);
      turns(&s, 4);
      if (l.relay)
        relay_part(l.relay, false);
      turns(&s, 4);
    }
    good = s.fm.refused == 0;
    ck_assert_uint_lt(n, 50);
    line_end(&l);
    stage_end(&s);
  }
}
END_TEST

int main(void) {
  Suite *s = suite_create("relay");
  TCase *tc = tcase_create("relay");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, both_ways);
  tcase_add_test(tc, said_after_the_end);
  tcase_add_test(tc, flooded_after_the_end);
  tcase_add_test(tc, many_part);
  tcase_add_test(tc, turns_are_taken);
  tcase_add_test(tc, failing_allocations);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
