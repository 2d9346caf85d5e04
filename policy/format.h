/* format.h - policy files in their canonical layout, comments kept. */
#ifndef POLICY_FORMAT_H
#define POLICY_FORMAT_H

#include "policy/tree.h"
#include "runtime/base/buf.h"

/* Appends |text|, one YAML document, to |out| in canonical layout: two blanks
 * a level, the keys of policies in their order (comments move with them),
 * block style for entries, policies, rules and conditions and for whatever
 * does not fit in 80 columns, other lists and maps in the style they have,
 * strings plain where every reader of YAML 1.1 and 1.2 takes them for
 * strings, one blank line around entries.  Entries of other kinds keep their
 * words, their order and their blank lines.
 *
 * Before anything is appended the result is read back: it is the same tree,
 * has the same comments, and formatting it again changes nothing.
 *
 * 0; ERR_SYNTAX with a position (its source stays untouched); ERR_UNSUPPORTED:
 * no such result was found; ERR_FULL: of |out|; ERR_NOMEM */
int format_text(struct buf *out, struct slice text,
                const struct tree_limits *limits, const struct mem *m,
                struct err *e);

/* The same for what is a policy file, a manifest or a suite of tests, be it one
 * with mistakes; ERR_SYNTAX for any other.  That is its owner's, who may lay it
 * out as he likes and have readers of other habits. */
int format_document(struct buf *out, struct slice text,
                    const struct tree_limits *limits, const struct mem *m,
                    struct err *e);

#endif
