/* expr_lex.h - text to the tokens of the expression language.  Private to its
 * parser. */
#ifndef POLICY_EXPR_LEX_H
#define POLICY_EXPR_LEX_H

#include "policy/expr_node.h"

enum token {
  TOKEN_END,
  TOKEN_ERROR,
  TOKEN_NAME,
  TOKEN_STRING,
  TOKEN_NUMBER,
  TOKEN_AND,
  TOKEN_OR,
  TOKEN_NOT,
  TOKEN_EQ,
  TOKEN_NE,
  TOKEN_LT,
  TOKEN_LTE,
  TOKEN_GT,
  TOKEN_GTE,
  TOKEN_OPEN,
  TOKEN_CLOSE,
  TOKEN_LIST_OPEN,
  TOKEN_LIST_CLOSE,
  TOKEN_COMMA,
  TOKEN_DOT
};

struct parser {
  struct slice text;
  struct arena *arena;
  struct regex_pool *regexes;
  struct err *error;
  int code;  /* of the first failure; 0: none */
  size_t at; /* behind the token */
  enum token token;
  size_t start;       /* of the token */
  size_t previous;    /* the end of the token before */
  struct slice name;  /* TOKEN_NAME */
  struct value value; /* TOKEN_STRING, TOKEN_NUMBER */
  unsigned nodes;
  unsigned depth;
  const struct field *url_field;
};

/* A mistake at the byte with that offset.  The first failure is the one that
 * counts; the token is TOKEN_ERROR from then on. */
void lex_fail(struct parser *ps, size_t offset, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lex_no_memory(struct parser *ps);

/* Moves on to the next token. */
void lex_next(struct parser *ps);
/* Is the token this name? */
bool lex_is_word(const struct parser *ps, const char *word);
/* "expected ..., found ..." for the token that is there. */
void lex_unexpected(struct parser *ps, const char *expected);
/* Moves on where the token is |t|; else it is unexpected.  False after any
 * failure. */
bool lex_take(struct parser *ps, enum token t, const char *expected);

#endif
