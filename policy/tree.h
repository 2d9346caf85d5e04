/* tree.h - YAML text to a tree of nodes with positions, bounded in every
 * direction; aliases are shared, not copied. */
#ifndef POLICY_TREE_H
#define POLICY_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/value.h"

/* How large one document may be.  Nodes, levels and text count as if every
 * alias were written out. */
struct tree_limits {
  size_t max_bytes;
  size_t max_nodes;
  unsigned max_levels; /* at most TREE_MAX_LEVELS */
};

#define TREE_MAX_LEVELS VALUE_MAX_DEPTH
extern const struct tree_limits tree_limits_default; /* 1 MiB, 10,000, 64 */

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAP };

/* What a scalar is (YAML 1.2 core schema); TREE_ODD: it has a tag that says
 * something else. */
enum tree_type {
  TREE_NULL,
  TREE_BOOL,
  TREE_INT,
  TREE_FLOAT,
  TREE_STRING,
  TREE_ODD
};

/* Both from 1; the column is in bytes. */
struct tree_pos {
  uint32_t line;
  uint32_t column;
};

struct tree_node;

struct tree_item {
  struct tree_node *key; /* NULL in a list */
  struct tree_node *value;
  struct tree_pos pos; /* of the value, or of the alias that stands for it */
};

struct tree_node {
  enum tree_kind kind;
  enum tree_type type; /* of a scalar */
  bool tagged;         /* an explicit tag other than !!str, !!seq, !!map */
  struct tree_pos pos;
  struct slice text; /* of a scalar; NUL-terminated, and may contain NUL */
  /* where |text| begins in the file, if it stands there letter by letter (no
   * escapes, no folding); 0: it does not */
  uint32_t text_column;
  struct tree_item *items;
  size_t len;
  /* private: the size of the whole node, and whether it is complete */
  size_t nodes;
  size_t bytes;
  unsigned levels;
  bool complete;
};

/* Parses the one document of |text| into |a|, which the tree lives in; |a|'s
 * mem also lends working memory.  0; ERR_SYNTAX with position and message in
 * |e| (its source stays untouched); or ERR_NOMEM. */
int tree_parse(struct tree_node **ret, struct slice text,
               const struct tree_limits *limits, struct arena *a,
               struct err *e);

/* What the plain scalar |s| without a tag is: YAML 1.2 core schema. */
enum tree_type tree_plain_type(struct slice s);

/* The first member of a map under the plain or quoted key |key|, else NULL. */
const struct tree_item *tree_get(const struct tree_node *map, const char *key);

/* "a map", "a list", "null", "a string", ... for messages. */
const char *tree_describe(const struct tree_node *n);

/* The tree as plain data in |a|: core schema, keys as they are written and
 * unique.  0, ERR_SYNTAX, ERR_NOMEM */
int tree_to_value(struct value *ret, const struct tree_node *n, struct arena *a,
                  struct err *e);

/* libyaml's version, as it is linked; static. */
const char *tree_yaml_version(void);

#endif
