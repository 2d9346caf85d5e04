/* later.c - a function of the host that takes its time: work.factor(n) is done
 * by a thread, which hands the answer over by an eventfd.  Meanwhile the
 * script's other tasks run.  Answers are given on the host's thread, and only
 * there.
 *
 *   later NUMBER...
 */
#include <cordon/cordon.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const char script_text[] =
    "local work = require('work')\n"
    "local results = channel.new()\n"
    "for _, n in ipairs(arg) do\n"
    "  coroutine.spawn(function()\n"
    "    local factors, err = work.factor(math.tointeger(n))\n"
    "    results:send({n, factors and table.concat(factors, ' * ') or\n"
    "      tostring(err)})\n"
    "  end)\n"
    "end\n"
    "local all = {}\n"
    "for i = 1, #arg do\n"
    "  local r = results:receive()\n"
    "  all[#all + 1] = r[1] .. ' = ' .. r[2]\n"
    "end\n"
    "table.sort(all)\n"
    "for _, line in ipairs(all) do print(line) end\n";

/* One piece of work; the thread has it until it is in |done|. */
struct job {
  struct job *next;
  cordon_call *call; /* not touched by the thread */
  int64_t number;
  char json[1024]; /* the answer */
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t more;
  struct job *todo, *done;
  int ended;
  int fd; /* readable: |done| is not empty */
} queue = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0, -1};

static void factor(struct job *j) {
  int64_t n = j->number;
  size_t len = (size_t)snprintf(j->json, sizeof j->json, "[");
  for (int64_t p = 2; n > 1; p = p * p > n ? n : p + 1)
    for (; n % p == 0; n /= p)
      len += (size_t)snprintf(j->json + len, sizeof j->json - len, "%s%lld",
                              len > 1 ? "," : "", (long long)p);
  snprintf(j->json + len, sizeof j->json - len, "]");
}

static void *worker(void *ud) {
  const uint64_t one = 1;
  (void)ud;
  pthread_mutex_lock(&queue.lock);
  while (!queue.ended) {
    struct job *j = queue.todo;
    if (!j) {
      pthread_cond_wait(&queue.more, &queue.lock);
      continue;
    }
    queue.todo = j->next;
    pthread_mutex_unlock(&queue.lock);
    factor(j);
    pthread_mutex_lock(&queue.lock);
    j->next = queue.done;
    queue.done = j;
    if (write(queue.fd, &one, sizeof one) < 0)
      abort(); /* it cannot be full */
  }
  pthread_mutex_unlock(&queue.lock);
  return NULL;
}

/* The script calls: hand it on, and return at once. */
static void on_factor(void *ud, cordon_call *call) {
  const cordon_value *n =
      cordon_value_at(cordon_call_args(call), 0, NULL, NULL);
  struct job *j;
  (void)ud;
  if (cordon_value_integer(n) < 1) {
    cordon_call_fail(call, "Invalid", "expected an integer above 0", 0);
    return;
  }
  if (!(j = calloc(1, sizeof *j))) {
    cordon_call_fail(call, "Unavailable", "no memory", 1);
    return;
  }
  j->call = call;
  j->number = cordon_value_integer(n);
  pthread_mutex_lock(&queue.lock);
  j->next = queue.todo;
  queue.todo = j;
  pthread_cond_signal(&queue.more);
  pthread_mutex_unlock(&queue.lock);
}

/* On the host's thread.  Should the script have ended meanwhile, the answer is
 * thrown away, and the call with it. */
static void answer_all(void) {
  struct job *j;
  uint64_t n;
  if (read(queue.fd, &n, sizeof n) < 0)
    return;
  pthread_mutex_lock(&queue.lock);
  j = queue.done;
  queue.done = NULL;
  pthread_mutex_unlock(&queue.lock);
  while (j) {
    struct job *next = j->next;
    cordon_value *v = NULL;
    if (cordon_value_from_json(&v, j->json, strlen(j->json), NULL, NULL) !=
            CORDON_OK ||
        cordon_call_return(j->call, v) != CORDON_OK)
      cordon_call_fail(j->call, "Internal", "the answer cannot be told", 0);
    cordon_value_free(v);
    free(j);
    j = next;
  }
}

static void print_output(void *ud, const char *data, size_t len) {
  (void)ud;
  fwrite(data, 1, len, stdout);
}

int main(int argc, char **argv) {
  const cordon_source source = {"later.lua", script_text,
                                sizeof script_text - 1};
  cordon_host_config host_config;
  cordon_sandbox_config cfg;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_error e;
  pthread_t thread;
  int rv;
  if ((queue.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0 ||
      pthread_create(&thread, NULL, worker, NULL) != 0) {
    perror("later");
    return 1;
  }
  cordon_host_config_init(&host_config);
  host_config.worker_path = getenv("CORDON_WORKER"); /* NULL: as installed */
  cordon_sandbox_config_init(&cfg);
  cfg.actor_id = "later";
  cfg.output = print_output;
  if ((rv = cordon_host_new(&host, &host_config, &e)) == CORDON_OK &&
      (rv = cordon_sandbox_new(&sb, host, &cfg, &e)) == CORDON_OK &&
      (rv = cordon_sandbox_add_function(sb, "work", "factor", on_factor, NULL,
                                        &e)) == CORDON_OK)
    rv = cordon_sandbox_load(sb, &source, (const char *const *)argv + 1,
                             (size_t)argc - 1, &e);
  while (rv == CORDON_OK && cordon_sandbox_result(sb, NULL) == CORDON_AGAIN) {
    struct pollfd p[2] = {{cordon_host_fd(host), POLLIN, 0},
                          {queue.fd, POLLIN, 0}};
    if (poll(p, 2, cordon_host_timeout_ms(host)) > 0 && p[1].revents)
      answer_all();
    rv = cordon_host_dispatch(host, &e);
  }
  if (rv == CORDON_OK)
    rv = cordon_sandbox_result(sb, &e);
  if (rv != CORDON_OK)
    fprintf(stderr, "later: %s\n", e.message);
  cordon_sandbox_free(sb);
  pthread_mutex_lock(&queue.lock);
  queue.ended = 1;
  pthread_cond_signal(&queue.more);
  pthread_mutex_unlock(&queue.lock);
  pthread_join(thread, NULL);
  cordon_host_free(host); /* and the calls that nobody has answered */
  close(queue.fd);
  return rv == CORDON_OK ? 0 : 1;
}
