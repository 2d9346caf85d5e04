/* format_node.h - a file as the formatter sees it: nodes as they are written,
 * and the comments that belong to each.  Between format_*.c only. */
#ifndef POLICY_FORMAT_NODE_H
#define POLICY_FORMAT_NODE_H

#include "policy/tree.h"
#include "runtime/base/buf.h"

struct format_item;

struct format_comment {
  struct slice text;          /* from its '#', without blanks at the end */
  size_t at;                  /* offset */
  size_t line;                /* from 0 */
  int column;                 /* in characters, from 0 */
  bool own;                   /* nothing else on its line */
  bool blank;                 /* an empty line above */
  struct format_item *trails; /* the item behind which it stands */
  struct format_comment *next;
};

struct format_comments {
  struct format_comment *first;
  struct format_comment *last;
};

enum format_kind { FORMAT_SCALAR, FORMAT_ALIAS, FORMAT_LIST, FORMAT_MAP };
enum format_style {
  FORMAT_PLAIN,
  FORMAT_QUOTED,
  FORMAT_LITERAL,
  FORMAT_FOLDED,
  FORMAT_BLOCK, /* of a list or a map */
  FORMAT_FLOW
};

struct format_node {
  enum format_kind kind;
  enum format_style style;
  struct slice
      props; /* anchor and tag as they are written, one blank between */
  bool tagged;
  struct slice text; /* value of a scalar, "*name" of an alias */
  struct slice raw;  /* a scalar as it is written */
  size_t start;      /* offsets in the file, properties included */
  size_t end;
  int column; /* of a block list or map, and of the one a scalar is in */
  struct format_item **items;
  size_t len;
  struct format_comments foot; /* behind the last item */

  /* how it is to be written: format_arrange */
  const char *const *order; /* of its keys; NULL: as they are */
  bool foreign;             /* belongs to others: words stay as they are */
  bool force_block;
  bool spaced;        /* a blank line around its items, if ours */
  bool commented;     /* a comment inside */
  bool must_block;    /* cannot be written as flow */
  bool block;         /* of a list or a map: will be written as block */
  size_t anchors;     /* inside, its own included */
  size_t aliases;     /* inside */
  struct slice flow;  /* of a scalar: its words inside flow style */
  struct slice words; /* and outside */
  size_t width;       /* in flow style, in characters */
};

struct format_item {
  struct format_node *key; /* NULL in a list */
  struct format_node *value;
  size_t start;                 /* of the key or the dash */
  struct format_comments heads; /* above it */
  struct format_comments trail; /* behind it */
  bool blank;                   /* an empty line above */
  bool question;                /* the key must be written with "? " */
};

struct format_file {
  struct arena *arena;
  struct slice text;
  struct format_node *document; /* a list of one: the root */
  struct format_comments directives;
  size_t ncomments;
  uint64_t comments_sum; /* of their texts, in any order */
  bool anchors_unique;
};

/* Reads |text|, which tree_parse accepts, and puts each comment where it
 * belongs.  0, ERR_NOMEM, ERR_SYNTAX */
int format_read(struct format_file *ret, struct slice text, struct arena *a);

void format_comments_add(struct format_comments *to, struct format_comment *c);
/* All of |from| behind |to|; |from| is empty then. */
void format_comments_move(struct format_comments *to,
                          struct format_comments *from);

/* The scalar |n| in one line: how it is written inside of flow style or
 * outside.  0 or ERR_NOMEM */
int format_scalar(struct slice *ret, const struct format_node *n, bool flow,
                  struct arena *a);

/* In characters. */
size_t format_width(struct slice s);

/* Decides how everything is written.  0 or ERR_NOMEM */
int format_arrange(struct format_file *f);

/* Writes it.  0, ERR_FULL, ERR_NOMEM */
int format_write(const struct format_file *f, struct buf *out);

#endif
