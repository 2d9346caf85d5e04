/* check_manifest.c - manifests: what entries say, in which order they start,
 * and every mistake with its place. */
#include "tests/unit.h"

#include "policy/manifest.h"
#include "runtime/base/buf.h"

#define TOP "namespace: app\nentries:\n"
#define A "- name: a\n  kind: process.lua\n  source: file://a.lua\n"
#define B "- name: b\n  kind: process.lua\n  source: file://b.lua\n"

static void on_mistake(void *ud, const struct err *e) {
  struct buf *b = ud;

  ck_assert_str_eq(e->source, "m.yaml");
  ck_assert_int_eq(e->code, ERR_SYNTAX);
  ck_assert_int_eq(buf_addf(b, "%u:%u: %s\n", e->line, e->column, e->message),
                   0);
}

/* ------------------------------------------------------------- mistakes --- */

static const struct {
  const char *text;
  const char *mistakes;
} wrong[] = {
    {"", "1:1: empty, expected a YAML document\n"},
    {"7", "1:1: manifest is a number, expected a map with namespace and "
          "entries\n"},
    {"{}", "1:1: file without a namespace, expected 'namespace'\n"
           "1:1: manifest without a list of entries, expected 'entries'\n"},
    {"namespace: app\nentries: {}\n",
     "2:10: manifest without a list of entries, expected 'entries'\n"},
    {TOP "- {name: x, kind: http.service}\n- 7\n",
     "3:1: manifest without a workload, expected an entry of kind "
     "'process.lua'\n"},
    {TOP "- {name: x, kind: proces.lua}\n",
     "3:19: unknown kind 'proces.lua', expected 'process.lua'\n"},
    {TOP "- {kind: process.lua}\n",
     "3:3: workload without a name, expected 'name'\n"
     "3:3: workload without a source, expected 'source: file://NAME.lua'\n"},
    /* the place of a workload without a name is taken by the next one */
    {TOP "- {kind: process.lua, source: 'file://x',\n"
         "  lifecycle: {depends_on: [b, b, b]}}\n" A
         "  lifecycle: {depends_on: [c]}\n" B,
     "3:3: workload without a name, expected 'name'\n"
     "8:28: unknown workload 'c', expected 'a' or 'b'\n"},
    {TOP A A, "6:9: duplicate workload 'a', first at line 3\n"},
    {TOP "- {name: 'a b', kind: process.lua, source: x.lua}\n",
     "3:10: bad name 'a b', expected letters, digits and _ - . / @ +, at most "
     "128\n"
     "3:44: source is 'x.lua', expected 'file://' and a file below the "
     "manifest's folder\n"},
    {TOP "- {name: a, kind: process.lua, source: 'file:///etc/x'}\n",
     "3:40: source is 'file:///etc/x', expected a file below the manifest's "
     "folder, without '.', '..' or '//'\n"},
    {TOP "- {name: a, kind: process.lua, source: 'file://b/../../x'}\n",
     "3:40: source is 'file://b/../../x', expected a file below the manifest's "
     "folder, without '.', '..' or '//'\n"},
    {TOP "- {name: a, kind: process.lua, source: 'file://x/'}\n",
     "3:40: source is 'file://x/', expected a file below the manifest's "
     "folder, without '.', '..' or '//'\n"},
    {TOP A "  modules: json\n",
     "6:12: 'modules' is a string, expected a list\n"},
    {TOP A "  modules: ['', 1]\n",
     "6:13: name of a module is empty, expected a text\n"
     "6:17: name of a module is a number, expected a string in quotes\n"},
    {TOP A "  args: [true]\n",
     "6:10: argument is a boolean, expected a string in quotes\n"},
    {TOP A "  limits: 5\n",
     "6:11: 'limits' is a number, expected a map like {memory: 64MiB, cpu: "
     "10s}\n"},
    {TOP A "  limits: {memory: 0, output: 1XB, cpu: 10, deadline: 0s}\n",
     "6:20: 'memory' is '0', expected a size such as 64MiB, 10MB or 4096\n"
     "6:31: 'output' is '1XB', expected a size such as 64MiB, 10MB or 4096\n"
     "6:41: 'cpu' is '10', expected a duration such as 10s, 1m30s or 500ms\n"
     "6:55: 'deadline' is '0s', expected a duration such as 10s, 1m30s or "
     "500ms\n"},
    {TOP A "  limits: {tasks: 0, timers: -1, connections: 1.5, memroy: 1}\n",
     "6:19: 'tasks' is '0', expected a whole number from 1 on\n"
     "6:30: 'timers' is '-1', expected a whole number from 1 on\n"
     "6:47: 'connections' is '1.5', expected a whole number from 1 on\n"
     "6:52: unknown key 'memroy', expected 'memory'\n"},
    {TOP A "  lifecycle: {auto_start: maybe, restart: often}\n",
     "6:27: 'auto_start' is a string, expected true or false\n"
     "6:43: unknown restart 'often', expected 'never', 'on-failure' or "
     "'always'\n"},
    {TOP A "  lifecycle: {restart: {initial_delay: 2s, max_delay: 1s,\n"
           "    max_attempts: x}}\n",
     "6:55: 'max_delay' is shorter than 'initial_delay', expected a longer "
     "duration\n"
     "7:19: 'max_attempts' is 'x', expected a whole number\n"},
    {TOP A "  lifecycle: {security: {actor: {meta: 5}, groups: x}}\n",
     "6:33: actor without an id, expected 'id'\n"
     "6:40: 'meta' is a number, expected a map like {role: reader}\n"
     "6:52: 'groups' is a string, expected a list\n"},
    {TOP A "  lifecycle: {security: {policies: ['a b', 'x:y:z', ':']}}\n",
     "6:37: bad policy 'a b', expected 'name' or 'ns:name'; a name is letters, "
     "digits and _ - . / @ +, at most 128\n"
     "6:44: bad policy 'x:y:z', expected 'name' or 'ns:name'; a name is "
     "letters, digits and _ - . / @ +, at most 128\n"
     "6:53: bad policy ':', expected 'name' or 'ns:name'; a name is letters, "
     "digits and _ - . / @ +, at most 128\n"},
    {TOP A "  lifecycle: {depends_on: [a]}\n",
     "6:28: 'depends_on' goes in a circle: a -> a\n"},
    {TOP A "  lifecycle: {depends_on: [b, far:a]}\n" B
           "  lifecycle: {depends_on: [a]}\n",
     "6:31: unknown workload 'far:a', expected 'a' or 'b'\n"
     "10:28: 'depends_on' goes in a circle: a -> b -> a\n"},
};

START_TEST(test_mistakes) {
  struct manifest *mf = NULL;
  struct buf told;

  buf_init(&told, &mem_libc, 65536);
  ck_assert_int_eq(manifest_new(&mf, "m.yaml", slice_of(wrong[_i].text),
                                &tree_limits_default, &mem_libc, on_mistake,
                                &told),
                   ERR_SYNTAX);
  ck_assert_ptr_null(mf);
  ck_assert_int_eq(buf_add(&told, "", 1), 0);
  ck_assert_str_eq((const char *)buf_bytes(&told), wrong[_i].mistakes);
  buf_deinit(&told);
}
END_TEST

/* --------------------------------------------------------------- values --- */

static struct manifest *load(const char *text, const struct mem *m) {
  struct manifest *mf = NULL;
  int rv = manifest_new(&mf, "m.yaml", slice_of(text), &tree_limits_default, m,
                        NULL, NULL);

  ck_assert(rv == 0 || rv == ERR_NOMEM);
  ck_assert((rv == 0) == (mf != NULL));
  return mf;
}

static const char whole[] = TOP A
    "  meta: {comment: x}\n"
    "  method: start\n"
    "  modules: [time, 'lib.x']\n"
    "  args: ['', b]\n"
    "  limits: {memory: 5MB, cpu: 1500us, deadline: 1m30s, tasks: 1,\n"
    "    timers: 2, connections: 3, connects_per_minute: 4, output: 1KiB}\n"
    "  lifecycle:\n"
    "    auto_start: false\n"
    "    stable_threshold: 3s\n"
    "    restart: {policy: always, initial_delay: 5ms, max_delay: 2m,\n"
    "      max_attempts: 0}\n"
    "    security:\n"
    "      actor: {id: me, meta: {a: [1, x]}}\n"
    "      policies: [p, far:q]\n"
    "      groups: [g]\n"
    "- {name: other, kind: http.service, addr: 1}\n" B;

START_TEST(test_values) {
  struct manifest *mf = load(whole, &mem_libc);
  const struct manifest_workload *w = manifest_at(mf, 0);

  ck_assert_uint_eq(manifest_len(mf), 2);
  ck_assert_str_eq(w->name.text.p, "a");
  ck_assert_uint_eq(w->name.pos.line, 3);
  ck_assert_str_eq(w->source.text.p, "a.lua");
  ck_assert_str_eq(w->method.text.p, "start");
  ck_assert_uint_eq(w->nmodules, 2);
  ck_assert_str_eq(w->modules[1], "lib.x");
  ck_assert_uint_eq(w->modules_line, 8);
  ck_assert_uint_eq(w->nargs, 2);
  ck_assert_str_eq(w->args[0], "");
  ck_assert_uint_eq(w->limits.memory_bytes, 5000000);
  ck_assert_uint_eq(w->limits.cpu_ms, 2);
  ck_assert_uint_eq(w->limits.deadline_ms, 90000);
  ck_assert_uint_eq(w->limits.tasks, 1);
  ck_assert_uint_eq(w->limits.timers, 2);
  ck_assert_uint_eq(w->limits.connections, 3);
  ck_assert_uint_eq(w->limits.connects_per_minute, 4);
  ck_assert_uint_eq(w->limits.output_bytes, 1024);
  ck_assert(!w->auto_start);
  ck_assert_int_eq(w->restart, MANIFEST_RESTART_ALWAYS);
  ck_assert_uint_eq(w->delay_ms, 5);
  ck_assert_uint_eq(w->delay_max_ms, 120000);
  ck_assert_uint_eq(w->tries, 0);
  ck_assert_uint_eq(w->stable_ms, 3000);
  ck_assert_str_eq(w->actor.text.p, "me");
  ck_assert_str_eq(w->actor_meta, "{\"a\":[1,\"x\"]}");
  ck_assert_uint_eq(w->nscope, 3);
  ck_assert_str_eq(w->scope[0].text.p, "app:p");
  ck_assert_str_eq(w->scope[1].text.p, "far:q");
  ck_assert_str_eq(w->scope[2].text.p, "app:g");
  w = manifest_at(mf, 1);
  ck_assert_str_eq(w->name.text.p, "b");
  ck_assert(w->auto_start);
  ck_assert_ptr_null(w->actor.text.p);
  ck_assert_ptr_null(w->modules);
  ck_assert_uint_eq(w->nscope, 0);
  ck_assert_int_eq(w->restart, MANIFEST_RESTART_NEVER);
  manifest_free(mf);
}
END_TEST

/* ---------------------------------------------------------------- order --- */

#define W(name, needs)                                                         \
  "- {name: " name ", kind: process.lua, source: 'file://x', lifecycle: "      \
  "{depends_on: [" needs "], auto_start: false}}\n"
#define ON(name, needs)                                                        \
  "- {name: " name ", kind: process.lua, source: 'file://x', lifecycle: "      \
  "{depends_on: [" needs "]}}\n"

static const struct {
  const char *text;
  const char *order; /* "+": it is started */
} orders[] = {
    {TOP W("c", "") W("b", "") W("a", ""), "c b a "},
    {TOP W("c", "b") W("b", "a") W("a", ""), "a b c "},
    {TOP ON("c", "b") W("b", "'app:a'") W("a", "") W("d", "a"), "a+b+c+d "},
    {TOP W("d", "b, c") W("b", "a, a") W("c", "a") W("a", ""), "a b c d "},
    {TOP W("a", "") ON("b", "a") W("c", "b"), "a+b+c "},
};

START_TEST(test_order) {
  struct manifest *mf = load(orders[_i].text, &mem_libc);
  char order[64] = "";

  for (size_t i = 0; i < manifest_len(mf); i++) {
    const struct manifest_workload *w = manifest_at(mf, i);
    strcat(order, w->name.text.p);
    strcat(order, w->auto_start ? "+" : " ");
    for (size_t k = 0; k < w->ndepends_on; k++)
      ck_assert_uint_lt(w->depends_on[k], i);
  }
  ck_assert_str_eq(order, orders[_i].order);
  manifest_free(mf);
}
END_TEST

/* A chain as long as can be, the last one first, and one workload too many. */
START_TEST(test_many) {
  size_t n = MANIFEST_MAX_WORKLOADS + (size_t)_i;
  struct buf text;
  struct manifest *mf = NULL;
  int rv;

  buf_init(&text, &mem_libc, 1 << 20);
  ck_assert_int_eq(buf_addf(&text, "%s", TOP), 0);
  for (size_t i = 0; i < n; i++)
    ck_assert_int_eq(
        buf_addf(
            &text,
            "- {name: w%zu, kind: process.lua, source: 'file://x'%s%zu%s\n", i,
            i + 1 < n ? ", lifecycle: {depends_on: [w" : ", method: m", i + 1,
            i + 1 < n ? "]}}" : "}"),
        0);
  struct tree_limits limits = tree_limits_default;
  limits.max_nodes = 100000;
  rv = manifest_new(&mf, "m.yaml", buf_slice(&text), &limits, &mem_libc, NULL,
                    NULL);
  ck_assert_int_eq(rv, _i ? ERR_SYNTAX : 0);
  if (rv == 0)
    ck_assert_str_eq(manifest_at(mf, n - 1)->name.text.p, "w0");
  manifest_free(mf);
  buf_deinit(&text);
}
END_TEST

/* ---------------------------------------------------------------- names --- */

static struct policy_set *policies(void) {
  static const char text[] =
      TOP "- name: p\n"
          "  kind: security.policy\n"
          "  policy: {effect: allow, actions: x, resources: y}\n"
          "  groups: [g]\n";
  struct policy_set *set;

  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  ck_assert_int_eq(policy_set_add(set, "p.yaml", slice_of(text), NULL, NULL),
                   0);
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), 0);
  return set;
}

START_TEST(test_names) {
  struct policy_set *set = policies();
  struct manifest *mf;
  struct buf told;

  mf = load(TOP A "  lifecycle: {security: {policies: [p], groups: [g]}}\n",
            &mem_libc);
  ck_assert_int_eq(manifest_check(mf, set, NULL, NULL), 0);
  manifest_free(mf);
  mf =
      load(TOP A "  lifecycle: {security: {policies: [pp], groups: [far:g]}}\n",
           &mem_libc);
  buf_init(&told, &mem_libc, 65536);
  ck_assert_int_eq(manifest_check(mf, set, on_mistake, &told), ERR_SYNTAX);
  ck_assert_int_eq(buf_add(&told, "", 1), 0);
  ck_assert_ptr_nonnull(
      strstr((const char *)buf_bytes(&told), "6:37: no group or policy"));
  ck_assert_ptr_nonnull(strstr((const char *)buf_bytes(&told), "6:51: no "));
  buf_deinit(&told);
  manifest_free(mf);
  policy_set_unref(set);
}
END_TEST

START_TEST(test_failing_memory) {
  struct policy_set *set = policies();
  bool refused = true;

  for (size_t n = 0; refused; n++) {
    struct failing_mem fm;
    struct manifest *mf;
    failing_mem_init(&fm, n);
    mf = load(whole, &fm.mem);
    if (mf) {
      int rv = manifest_check(mf, set, NULL, NULL);
      ck_assert(rv == ERR_SYNTAX || (rv == ERR_NOMEM && fm.refused > 0));
    }
    manifest_free(mf);
    ck_assert_uint_eq(fm.live_bytes, 0);
    refused = fm.refused > 0;
    ck_assert(refused || n > 4);
  }
  policy_set_unref(set);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("manifest");
  TCase *t = tcase_create("manifest");

  suite_add_tcase(s, t);
  tcase_add_loop_test(t, test_mistakes, 0, (int)unit_len(wrong));
  tcase_add_test(t, test_values);
  tcase_add_loop_test(t, test_order, 0, (int)unit_len(orders));
  tcase_add_loop_test(t, test_many, 0, 2);
  tcase_add_test(t, test_names);
  tcase_add_test(t, test_failing_memory);
  return s;
}

int main(void) {
  return unit_run(suite());
}
